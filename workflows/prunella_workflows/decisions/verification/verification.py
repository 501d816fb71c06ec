"""Is the fault there, and did the repair help? Pure functions of a view and a moment.

They err in the safe direction only: no data is never health, a relapse fails at once, and health must hold.
"""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.saturation import Load, resource_of
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom, failing, symptoms
from prunella_workflows.decisions.verification import jobs, saturation
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Evidence, Usage
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.neighbours import NodeView
from prunella_workflows.model.outcome import Judgement, Presence, Sighting, Verdict
from prunella_workflows.model.plan import Relief, Settle
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView
from prunella_workflows.model.workload import PodView, WorkloadView

QUIET = 30.0
"""Seconds that pods must stay healthy before a fault counts as gone by itself (at least; a longer grace wins)."""

_PATIENCE = 5
"""Windows to wait for one in which no pod is replaced or loses its readiness."""

CHECKS_DUE = "ChecksDue"
"""The reason of an open judgement: the pods have held, and only the policy's checks are left (see `checks`)."""

_LATE = frozenset({"FewerAvailable", "NoPods", "NotSettled"})
_LOOK_EVERY = 2.0
_FLAPPING_WINDOW = timedelta(hours=1)
_FLAPPING_COUNT = 2


def confirm(evidence: Evidence, grace: float, calm_since: datetime | None = None) -> Sighting:
    """Does the fault persist through the grace period (seconds), is it gone, or must we go on watching?

    `calm_since` is what the last look said, for incidents about pressure.
    """
    run = jobs.confirm(evidence, grace)
    return run if run is not None else _of_replicas(evidence, grace, calm_since)


def _of_replicas(evidence: Evidence, grace: float, calm_since: datetime | None) -> Sighting:
    """The same where pods are meant to serve for ever."""
    now, opened = evidence.read_at, evidence.opened_at
    pods = _counting(evidence)
    found = symptoms(pods)
    active = [one for one in failing(evidence, pods) if one.active]
    if active and (now - opened).total_seconds() >= grace:
        return Sighting(presence=Presence.FAILING, reason="FaultPersists", message=str(active[0]))
    if not active and (lasting := _lasting(evidence, pods, found)) is not None:
        return lasting
    if not active and (resource := resource_of(evidence.incident.type)) is not None:
        quiet = max(grace, QUIET)
        healthy = _quiet(evidence, found, quiet)
        return saturation.confirm(resource, evidence, grace, quiet, calm_since=calm_since, healthy=healthy)
    if not active and evidence.since is None and _flaps(evidence):
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


def _lasting(evidence: Evidence, pods: tuple[PodView, ...], found: tuple[Symptom, ...]) -> Sighting | None:
    """A fault that goes on although no pod shows it at this very moment."""
    if (again := _crashed_again(found, evidence.since or evidence.opened_at)) is not None:
        return Sighting(presence=Presence.FAILING, reason="CrashedAgain", message=str(again))
    lost = next((pod.node for pod in pods if pod.node_lost), None)
    if lost is not None:
        return Sighting(presence=Presence.FAILING, reason="NodeLost", message=f"node {lost} is not heard of")
    return None


def _crashed_again(found: tuple[Symptom, ...], opened: datetime) -> Symptom | None:
    crashes = (one for one in found if one.kind in (Kind.OOM, Kind.CRASH))
    return next((crash for crash in crashes if crash.at is not None and crash.at > opened), None)


def _flaps(evidence: Evidence) -> bool:
    """Whether this workload recovered by itself several times of late: then waiting once more helps nobody."""
    recent = [
        incident
        for incident in evidence.incidents
        if incident.phase is Phase.RECOVERED
        and incident.namespace == evidence.workload.ref.namespace
        and incident.workload == str(evidence.workload.ref)
        and incident.closed_at is not None
        and evidence.read_at - incident.closed_at < _FLAPPING_WINDOW
    ]
    return len(recent) >= _FLAPPING_COUNT


def _quiet(evidence: Evidence, found: tuple[Symptom, ...], seconds: float) -> bool:
    """Whether every wanted pod has been ready, and nothing crashed, for that long."""
    pods = evidence.live_pods
    if not evidence.workload.complete or not pods:
        return False
    since = evidence.since or evidence.opened_at
    last = max([since, *_moments(found), *(pod.ready_since or evidence.read_at for pod in pods)])
    return _all_ready(pods) and (evidence.read_at - last).total_seconds() >= seconds


def _moments(found: tuple[Symptom, ...]) -> list[datetime]:
    return [one.at for one in found if one.at is not None]


class Expectation(Value):
    """What a repair must lead to: this template, rolled out, with no fewer pods available than before.

    `replicas` is their number when the repair set it, `max_replicas` the autoscaler's maximum when it set that;
    `number_before` is what either was before. `resized` is a container and the bytes that its memory limit was set to
    in the running pods.
    """

    template_hash: str
    template_before: str = ""
    action_id: str
    written_at: datetime
    available_before: int
    settle: Settle
    has_checks: bool = False
    blind: float = 0.0
    replicas: int | None = None
    max_replicas: int | None = None
    number_before: int | None = None
    resized: tuple[str, int] | None = None
    calm_since: datetime | None = None

    @property
    def deadline(self) -> datetime:
        """Until when it must be rolled out; time in which nobody could look does not count."""
        return self.written_at + timedelta(seconds=self.settle.timeout + self.blind)


def verify(
    workload: WorkloadView,
    pods: tuple[PodView, ...],
    expected: Expectation,
    now: datetime,
    *,
    usage: Usage | None = None,
    autoscaler: HorizontalPodAutoscalerView | None = None,
) -> Judgement:
    """One look at a repaired workload: decided, or still open (verdict None)."""
    if (surprise := _not_ours(workload, expected, autoscaler)) is not None:
        return surprise
    current = repaired_pods(workload, pods)
    fresh = workload.observed_generation >= workload.generation and bool(workload.revision)
    if fresh and (against := _against(current, expected)) is not None:
        return against
    if fresh and workload.complete and current and _all_ready(current) and not any(pod.resizing for pod in current):
        if expected.settle.relief is not None:
            rule = expected.settle.relief
            load = saturation.measured(rule, workload, current, usage, since=expected.written_at, now=now)
            return _relieved(rule, load, current, expected, now)
        return _held(current, expected, now)
    if now < expected.deadline:
        return Judgement(reason="Settling", message=_progress(workload))
    return _timed_out(workload, current, expected)


def repaired_pods(workload: WorkloadView, pods: tuple[PodView, ...]) -> tuple[PodView, ...]:
    """The live pods that were made from the current template."""
    return tuple(pod for pod in pods if pod.live and pod.revision == workload.revision)


def _not_ours(
    workload: WorkloadView, expected: Expectation, autoscaler: HorizontalPodAutoscalerView | None
) -> Judgement | None:
    """A template, a number or a last action that is not ours says nothing about our repair."""
    if workload.deleting:
        return _unsure("TargetDeleted", "The workload is being deleted.")
    if not (_untouched(workload, expected) if expected.max_replicas is None else _kept(autoscaler, expected)):
        if _put_back(workload, expected, autoscaler):
            return _unsure("OwnedElsewhere", "Somebody has put back what was repaired: it is to be changed there.")
        return _unsure("ChangedByOthers", "Somebody changed the workload after the repair.")
    if workload.replicas == 0:
        return _unsure("ScaledToZero", "No pods are wanted, so nothing can be seen.")
    return None


def _untouched(workload: WorkloadView, expected: Expectation) -> bool:
    """Whether the workload is what the repair left."""
    ours = (workload.template_hash, workload.last_action) == (expected.template_hash, expected.action_id)
    return ours and expected.replicas in (None, workload.replicas)


def _put_back(workload: WorkloadView, expected: Expectation, autoscaler: HorizontalPodAutoscalerView | None) -> bool:
    """Whether exactly what the repair changed is again what it was."""
    if expected.max_replicas is not None:
        return autoscaler is not None and autoscaler.max_replicas == expected.number_before
    if expected.replicas is not None:
        return workload.replicas == expected.number_before and workload.template_hash == expected.template_hash
    return workload.template_hash == expected.template_before != expected.template_hash


def _kept(autoscaler: HorizontalPodAutoscalerView | None, expected: Expectation) -> bool:
    """Whether the autoscaler is what the repair left; how many replicas it wants is its own business."""
    if autoscaler is None:
        return False
    return (autoscaler.max_replicas, autoscaler.last_action) == (expected.max_replicas, expected.action_id)


def _relapse(pods: tuple[PodView, ...], expected: Expectation) -> Symptom | None:
    """A failure of the repaired pods after the write."""
    failures = [
        symptom for symptom in symptoms(pods) if symptom.kind in (Kind.OOM, Kind.CRASH, Kind.IMAGE, Kind.CONFIG)
    ]
    return next((failure for failure in failures if failure.at is None or failure.at > expected.written_at), None)


def _against(pods: tuple[PodView, ...], expected: Expectation) -> Judgement | None:
    """What says at once that it did not help."""
    if (relapse := _relapse(pods, expected)) is not None:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="Relapse", message=str(relapse))
    return _not_resized(pods, *expected.resized) if expected.resized is not None else None


def _not_resized(pods: tuple[PodView, ...], container: str, limit: int) -> Judgement | None:
    """A pod without the new limit: its kubelet cannot give it, or it was made anew from the template since."""
    for pod in pods:
        if pod.resize_refused:
            message = f"the kubelet does not resize pod {pod.name}: {pod.resize_refused}"
            return Judgement(verdict=Verdict.NOT_HEALED, reason="ResizeRefused", message=message)
        if (has := pod.memory_limits.get(container)) != limit:
            words = "no memory limit" if has is None else f"a memory limit of {format_bytes(has)}"
            message = f"pod {pod.name} has {words}, not {format_bytes(limit)}: the template must be changed as well"
            return Judgement(verdict=Verdict.NOT_HEALED, reason="NotResized", message=message)
    return None


def _relieved(
    rule: Relief, load: Load | None, pods: tuple[PodView, ...], expected: Expectation, now: datetime
) -> Judgement:
    """All pods are ready; what they use must be little as well, and stay so for the window."""
    against = saturation.judge(rule, load, expected.deadline, expected.settle.window, now)
    if against is not None:
        return against
    since = expected.calm_since or now
    held = _held(pods, expected.model_copy(update={"calm_since": since}), now)
    message = f"{held.message}; {load}" if held.verdict is Verdict.HEALED else held.message
    return held.model_copy(update={"calm_since": since, "message": message})


def _held(pods: tuple[PodView, ...], expected: Expectation, now: datetime) -> Judgement:
    """All is well now; it counts once it has held for the window."""
    held = (now - held_since(pods, expected, now)).total_seconds()
    if held < expected.settle.window:
        if now > expected.deadline + timedelta(seconds=_PATIENCE * expected.settle.window):
            return _unsure("NeverStable", "The pods are ready, but they change too often to tell.")
        return Judgement(reason="Holding", message=f"healthy for {held:.0f} of {expected.settle.window:.0f} s")
    if expected.has_checks:
        return Judgement(reason=CHECKS_DUE, message=f"healthy for {held:.0f} s; the policy's checks decide")
    return Judgement(
        verdict=Verdict.HEALED, reason="Stable", message=f"{len(pods)} pod(s) ready and stable for {held:.0f} s"
    )


def held_since(pods: tuple[PodView, ...], expected: Expectation, now: datetime) -> datetime:
    """Since when these ready pods have been what the repair must lead to."""
    calm = expected.calm_since or expected.written_at
    return max([calm, expected.written_at, *(pod.ready_since or now for pod in pods)])


def _timed_out(workload: WorkloadView, pods: tuple[PodView, ...], expected: Expectation) -> Judgement:
    message = f"not healthy {expected.settle.timeout:.0f} s after the repair: {_progress(workload)}"
    if workload.available_replicas < expected.available_before:
        return Judgement(verdict=Verdict.WORSE, reason="FewerAvailable", message=message)
    if not pods:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="NoPods", message=message)
    return Judgement(verdict=Verdict.NOT_HEALED, reason="NotSettled", message=message)


def excused(judgement: Judgement, pods: tuple[PodView, ...], nodes: tuple[NodeView, ...]) -> Judgement:
    """A repair that was not rolled out in time proves nothing when the node of one of its pods was lost meanwhile."""
    lost = {node.name for node in nodes if not node.ready}
    away = [pod for pod in pods if pod.node in lost]
    if judgement.reason not in _LATE or not away:
        return judgement
    return _unsure("NodeLost", f"Node {away[0].node} was lost while the repair was watched; {judgement.message}")


def _progress(workload: WorkloadView) -> str:
    return f"{workload.updated_replicas} of {workload.replicas} updated, {workload.available_replicas} available" + (
        f" ({workload.message})" if workload.message else ""
    )


def _all_ready(pods: tuple[PodView, ...]) -> bool:
    return all(pod.ready for pod in pods)


def _unsure(reason: str, message: str) -> Judgement:
    return Judgement(verdict=Verdict.INCONCLUSIVE, reason=reason, message=message)
