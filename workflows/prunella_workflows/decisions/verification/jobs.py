"""Confirms faults of work that runs to completion: Jobs, the latest Job of a CronJob, bare pods.

A Job retries by itself, so a failed try is not yet a fault of the Job: its end decides.
"""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind, find_symptoms
from prunella_workflows.model.outcome import Presence, Sighting
from prunella_workflows.model.workload import JobView, Outcome, PodView

MAX_TRIES = 5
"""Failures after which a Job counts as failing although it may retry: further tries are many minutes apart."""

_STABLE_AFTER = timedelta(minutes=5)
_STUCK = frozenset({Kind.IMAGE, Kind.CONFIG, Kind.UNSCHEDULABLE})


def confirm(findings: Findings, grace: float) -> Sighting | None:
    """The sighting by the end of the work or by its tries; None where replicas are what counts."""
    evidence = findings.evidence
    run, ref = evidence.workload.run, evidence.workload.ref
    if run is None:
        return None
    if run.outcome is Outcome.COMPLETE:
        return Sighting(presence=Presence.RECOVERED, reason="RunCompleted", message=f"{run.name} completed")
    if run.outcome is Outcome.FAILED:
        details = f" ({run.message or run.reason})" if run.message or run.reason else ""
        return Sighting(presence=Presence.FAILING, reason="RunFailed", message=f"{run.name} failed{details}")
    return None if ref.kind == "Pod" else _confirm_job(run, findings, grace)


def _confirm_job(run: JobView, findings: Findings, grace: float) -> Sighting:
    """The sighting for a Job that is still running."""
    evidence = findings.evidence
    stuck = [failure for failure in findings.failures if failure.kind in _STUCK]
    if stuck and (evidence.read_at - evidence.opened_at).total_seconds() >= grace:
        return Sighting(presence=Presence.FAILING, reason="FaultPersists", message=str(stuck[0]))
    pods = [pod for pod in evidence.live_pods if not pod.failed]
    failures = run.failures + sum(map(_count_failures, pods))
    if failures >= MAX_TRIES:
        return Sighting(presence=Presence.FAILING, reason="KeepsFailing", message=f"{run.name} failed {failures} times")
    if _is_stable(pods, evidence.read_at):
        return Sighting(presence=Presence.RECOVERED, reason="RunsAgain", message=f"{run.name} is running again")
    return Sighting(presence=Presence.WATCHING, reason="Watching", message="waiting for the end of the Job")


def _count_failures(pod: PodView) -> int:
    """The number of failures of the containers of a pod that is restarted in place."""
    failed = sum(symptom.kind in (Kind.CRASH, Kind.OOM) and symptom.active for symptom in find_symptoms((pod,)))
    return failed + sum(container.restarts for container in pod.containers)


def _is_stable(pods: list[PodView], now: datetime) -> bool:
    """Report whether the latest tries have been running for a while."""
    since = [container.running_since for pod in pods for container in pod.containers if not container.init]
    return bool(since) and all(at is not None and now - at >= _STABLE_AFTER for at in since)
