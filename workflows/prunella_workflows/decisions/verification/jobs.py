"""Is there a fault in work that comes to an end by itself: Jobs, the latest Job of a CronJob, pods of their own?

A Job tries again by itself, so a try that failed is no fault of the Job yet: its end decides.
"""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.symptoms import Kind, failing, symptoms
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Presence, Sighting
from prunella_workflows.model.workload import JobView, Outcome, PodView

TRIES = 5
"""Failures after which a Job is reported although it may try again: the next ones are many minutes apart."""

_CALM = timedelta(minutes=5)
_STUCK = frozenset({Kind.IMAGE, Kind.CONFIG, Kind.UNSCHEDULABLE})


def confirm(evidence: Evidence, grace: float) -> Sighting | None:
    """What the end of the work says, or how its tries stand; None where replicas are what counts."""
    run, ref = evidence.workload.run, evidence.workload.ref
    if run is None:
        return None
    if run.outcome is Outcome.COMPLETE:
        return Sighting(presence=Presence.RECOVERED, reason="RunCompleted", message=f"{run.name} completed")
    if run.outcome is Outcome.FAILED:
        words = f" ({run.message or run.reason})" if run.message or run.reason else ""
        return Sighting(presence=Presence.FAILING, reason="RunFailed", message=f"{run.name} failed{words}")
    return None if ref.kind == "Pod" else _of_job(run, evidence, grace)


def _of_job(run: JobView, evidence: Evidence, grace: float) -> Sighting:
    """A Job that is still at work."""
    stuck = [one for one in failing(evidence, evidence.live_pods) if one.kind in _STUCK]
    if stuck and (evidence.read_at - evidence.opened_at).total_seconds() >= grace:
        return Sighting(presence=Presence.FAILING, reason="FaultPersists", message=str(stuck[0]))
    trying = [pod for pod in evidence.live_pods if not pod.failed]
    failures = run.failures + sum(map(_deaths, trying))
    if failures >= TRIES:
        return Sighting(presence=Presence.FAILING, reason="KeepsFailing", message=f"{run.name} failed {failures} times")
    if _is_calm(trying, evidence.read_at):
        return Sighting(presence=Presence.RECOVERED, reason="RunsAgain", message=f"{run.name} runs again")
    return Sighting(presence=Presence.WATCHING, reason="Watching", message="waiting for the end of the Job")


def _deaths(pod: PodView) -> int:
    """How often the containers of a pod that is restarted in place have failed."""
    dead = sum(symptom.kind in (Kind.CRASH, Kind.OOM) and symptom.active for symptom in symptoms((pod,)))
    return dead + sum(container.restarts for container in pod.containers)


def _is_calm(trying: list[PodView], now: datetime) -> bool:
    """Whether the latest tries have been running for a good while."""
    since = [container.running_since for pod in trying for container in pod.containers if not container.init]
    return bool(since) and all(one is not None and now - one >= _CALM for one in since)
