"""Is the fault there, and did the repair help? Pure functions of a view and a moment.

They err in the safe direction only: no data is never health, a relapse fails at once, and health must hold.
"""

from datetime import datetime, timedelta

from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.incident import Phase
from prunella_workflows.model.outcome import Judgement, Presence, Sighting, Verdict
from prunella_workflows.model.plan import Settle
from prunella_workflows.model.workload import PodView, WorkloadView
from prunella_workflows.symptoms import Kind, Symptom, failing, symptoms

QUIET = 30.0
"""Seconds that pods must stay healthy before a fault counts as gone by itself (at least; a longer grace wins)."""

_PATIENCE = 5
"""Windows to wait for one in which no pod is replaced or loses its readiness."""

_LOOK_EVERY = 2.0
_FLAPPING_WINDOW = timedelta(hours=1)
_FLAPPING_COUNT = 2


def confirm(evidence: Evidence, grace: float) -> Sighting:
    """Does the fault persist through the grace period (seconds), is it gone, or must we go on watching?"""
    now, opened = evidence.read_at, evidence.opened_at
    pods = _counting(evidence)
    found = symptoms(pods)
    active = [one for one in failing(evidence, pods) if one.active]
    if active and (now - opened).total_seconds() >= grace:
        return Sighting(presence=Presence.FAILING, reason="FaultPersists", message=str(active[0]))
    if not active and (again := _crashed_again(found, opened)) is not None:
        return Sighting(presence=Presence.FAILING, reason="CrashedAgain", message=str(again))
    if not active and _flaps(evidence):
        return Sighting(presence=Presence.FAILING, reason="Flapping", message="it came back after healing by itself")
    if active or not _quiet(evidence, found, max(grace, QUIET)):
        left = grace - (now - opened).total_seconds()
        return Sighting(
            presence=Presence.WATCHING,
            reason="Watching",
            message="waiting to see whether it persists",
            again=min(_LOOK_EVERY, left) if left > 0 else _LOOK_EVERY,
        )
    return Sighting(presence=Presence.RECOVERED, reason="HealedByItself", message="the pods are healthy again")


def _counting(evidence: Evidence) -> tuple[PodView, ...]:
    """Pods whose failure counts. Those of an older revision go with the rollout (or with our undo), so only a rollout
    that is late, or a StatefulSet, which waits for them, makes them matter.
    """
    workload = evidence.workload
    waits = evidence.late or workload.ref.kind == "StatefulSet" or not workload.revision
    return evidence.live_pods if waits else evidence.current_pods


def _crashed_again(found: tuple[Symptom, ...], opened: datetime) -> Symptom | None:
    crashes = (one for one in found if one.kind in (Kind.OOM, Kind.CRASH))
    return next((one for one in crashes if one.at is not None and one.at > opened), None)


def _flaps(evidence: Evidence) -> bool:
    """Whether this workload recovered by itself several times of late: then waiting once more helps nobody."""
    recent = [
        one
        for one in evidence.incidents
        if one.phase is Phase.RECOVERED
        and one.namespace == evidence.workload.ref.namespace
        and one.workload == str(evidence.workload.ref)
        and one.closed_at is not None
        and evidence.read_at - one.closed_at < _FLAPPING_WINDOW
    ]
    return len(recent) >= _FLAPPING_COUNT


def _quiet(evidence: Evidence, found: tuple[Symptom, ...], seconds: float) -> bool:
    """Whether every wanted pod has been ready, and nothing crashed, for that long."""
    pods = evidence.live_pods
    if not evidence.workload.complete or not pods:
        return False
    last = max([evidence.opened_at, *_moments(found), *(pod.ready_since or evidence.read_at for pod in pods)])
    return _all_ready(pods) and (evidence.read_at - last).total_seconds() >= seconds


def _moments(found: tuple[Symptom, ...]) -> list[datetime]:
    return [one.at for one in found if one.at is not None]


class Expectation(Value):
    """What a repair must lead to: this template, rolled out, with no fewer pods available than before."""

    template_hash: str
    action_id: str
    written_at: datetime
    available_before: int
    settle: Settle
    has_checks: bool = False
    blind: float = 0.0

    @property
    def deadline(self) -> datetime:
        """Until when it must be rolled out; time in which nobody could look does not count."""
        return self.written_at + timedelta(seconds=self.settle.timeout + self.blind)


def verify(workload: WorkloadView, pods: tuple[PodView, ...], expected: Expectation, now: datetime) -> Judgement:
    """One look at a repaired workload: decided, or still open (verdict None)."""
    if (surprise := _not_ours(workload, expected)) is not None:
        return surprise
    current = tuple(pod for pod in pods if pod.live and pod.revision == workload.revision)
    fresh = workload.observed_generation >= workload.generation and bool(workload.revision)
    if fresh and (relapse := _relapse(current, expected)) is not None:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="Relapse", message=str(relapse))
    if fresh and workload.complete and current and _all_ready(current):
        return _held(current, expected, now)
    if now < expected.deadline:
        return Judgement(reason="Settling", message=_progress(workload))
    return _timed_out(workload, current, expected)


def _not_ours(workload: WorkloadView, expected: Expectation) -> Judgement | None:
    """A template or last action that is not ours says nothing about our repair."""
    if workload.deleting:
        return _unsure("TargetDeleted", "The workload is being deleted.")
    if workload.template_hash != expected.template_hash or workload.last_action != expected.action_id:
        return _unsure("ChangedByOthers", "Somebody changed the workload after the repair.")
    if workload.replicas == 0:
        return _unsure("ScaledToZero", "No pods are wanted, so nothing can be seen.")
    return None


def _relapse(pods: tuple[PodView, ...], expected: Expectation) -> Symptom | None:
    """A failure of the repaired pods after the write."""
    failures = [one for one in symptoms(pods) if one.kind in (Kind.OOM, Kind.CRASH, Kind.IMAGE, Kind.CONFIG)]
    return next((one for one in failures if one.at is None or one.at > expected.written_at), None)


def _held(pods: tuple[PodView, ...], expected: Expectation, now: datetime) -> Judgement:
    """All is well now; it counts once it has held for the window."""
    since = max([expected.written_at, *(pod.ready_since or now for pod in pods)])
    held = (now - since).total_seconds()
    if held < expected.settle.window:
        if now > expected.deadline + timedelta(seconds=_PATIENCE * expected.settle.window):
            return _unsure("NeverStable", "The pods are ready, but they change too often to tell.")
        return Judgement(reason="Holding", message=f"healthy for {held:.0f} of {expected.settle.window:.0f} s")
    if expected.has_checks:
        return _unsure("ChecksUnavailable", "The policy's PromQL checks could not be answered.")
    return Judgement(
        verdict=Verdict.HEALED, reason="Stable", message=f"{len(pods)} pod(s) ready and stable for {held:.0f} s"
    )


def _timed_out(workload: WorkloadView, pods: tuple[PodView, ...], expected: Expectation) -> Judgement:
    message = f"not healthy {expected.settle.timeout:.0f} s after the repair: {_progress(workload)}"
    if workload.available_replicas < expected.available_before:
        return Judgement(verdict=Verdict.WORSE, reason="FewerAvailable", message=message)
    if not pods:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="NoPods", message=message)
    return Judgement(verdict=Verdict.NOT_HEALED, reason="NotSettled", message=message)


def _progress(workload: WorkloadView) -> str:
    return f"{workload.updated_replicas} of {workload.replicas} updated, {workload.available_replicas} available" + (
        f" ({workload.message})" if workload.message else ""
    )


def _all_ready(pods: tuple[PodView, ...]) -> bool:
    return all(pod.ready for pod in pods)


def _unsure(reason: str, message: str) -> Judgement:
    return Judgement(verdict=Verdict.INCONCLUSIVE, reason=reason, message=message)
