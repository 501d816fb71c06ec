"""Verifies that a repair helped: pure functions of the workload's state at one moment, polled until they decide.

Missing data never counts as healthy, a relapse fails at once, and health must last.
"""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.saturation import Load, measure
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom, find_symptoms
from prunella_workflows.decisions.verification import saturation
from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import Usage
from prunella_workflows.model.neighbours import NodeView
from prunella_workflows.model.outcome import Judgement, Verdict
from prunella_workflows.model.plan import Relief, Settle
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView
from prunella_workflows.model.workload import PodView, WorkloadView

_MAX_WINDOWS = 5
"""Windows to wait for one in which no pod is replaced or loses its readiness."""

CHECKS_DUE = "ChecksDue"
"""The reason of an open judgement: the pods are stable, and only the policy's checks are left (`promql_checks`)."""

_TIMEOUT_REASONS = frozenset({"FewerAvailable", "NoPods", "NotSettled"})
_FAILURES = frozenset({Kind.OOM, Kind.CRASH, Kind.IMAGE, Kind.CONFIG})


class Expectation(Value):
    """The state a repair must lead to: this template, rolled out, with no fewer pods available than before.

    `replicas` is their number if the repair set it, `max_replicas` the autoscaler's maximum if it set that;
    `number_before` is the previous value of either. `resized` is a container and the bytes to which its memory limit
    was set in the running pods. `blind`: seconds in which verification was impossible.
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
        """The time by which it must be rolled out, extended by the time in which verification was impossible."""
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
    """Judge a repaired workload at this moment: decided, or still open (verdict None)."""
    if (changed := _check_unchanged(workload, expected, autoscaler)) is not None:
        return changed
    current = repaired_pods(workload, pods)
    observed = workload.observed_generation >= workload.generation and bool(workload.revision)
    if observed and (failed := _check_failures(current, expected)) is not None:
        return failed
    ready = bool(current) and all(pod.ready and not pod.resizing for pod in current)
    if observed and workload.settled and ready:
        if expected.settle.relief is not None:
            rule = expected.settle.relief
            after = usage if usage is not None and usage.at > expected.written_at else None
            load = measure(rule.resource, workload, current, after, now, container=rule.container)
            return _judge_load(rule, load, current, expected, now)
        return _judge_stability(current, expected, now)
    if now < expected.deadline:
        return Judgement(reason="Settling", message=_progress(workload))
    return _time_out(workload, current, expected)


def repaired_pods(workload: WorkloadView, pods: tuple[PodView, ...]) -> tuple[PodView, ...]:
    """The live pods that were created from the current template."""
    return tuple(pod for pod in pods if pod.live and pod.revision == workload.revision)


def _check_unchanged(
    workload: WorkloadView, expected: Expectation, autoscaler: HorizontalPodAutoscalerView | None
) -> Judgement | None:
    """A workload that was changed, reverted, deleted or scaled to zero says nothing about our repair."""
    if workload.deleting:
        return inconclusive("TargetDeleted", "The workload is being deleted.")
    if not _is_ours(workload, expected, autoscaler):
        if _is_reverted(workload, expected, autoscaler):
            message = "The repair was reverted by someone else: make the change at its source."
            return inconclusive("OwnedElsewhere", message)
        return inconclusive("ChangedByOthers", "The workload was changed by someone else after the repair.")
    if workload.replicas == 0:
        return inconclusive("ScaledToZero", "The workload is scaled to 0, so there are no pods to verify.")
    return None


def _is_ours(workload: WorkloadView, expected: Expectation, autoscaler: HorizontalPodAutoscalerView | None) -> bool:
    """Report whether the object is as the repair left it; how many replicas an autoscaler wants does not matter."""
    if expected.max_replicas is not None:
        actual = (autoscaler.max_replicas, autoscaler.last_action) if autoscaler is not None else None
        return actual == (expected.max_replicas, expected.action_id)
    ours = (workload.template_hash, workload.last_action) == (expected.template_hash, expected.action_id)
    return ours and expected.replicas in (None, workload.replicas)


def _is_reverted(workload: WorkloadView, expected: Expectation, autoscaler: HorizontalPodAutoscalerView | None) -> bool:
    """Report whether exactly what the repair changed has its previous value again."""
    if expected.max_replicas is not None:
        return autoscaler is not None and autoscaler.max_replicas == expected.number_before
    if expected.replicas is not None:
        return workload.replicas == expected.number_before and workload.template_hash == expected.template_hash
    return workload.template_hash == expected.template_before != expected.template_hash


def _check_failures(pods: tuple[PodView, ...], expected: Expectation) -> Judgement | None:
    """Failures that prove at once that the repair did not help."""
    if (relapse := _find_relapse(pods, expected)) is not None:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="Relapse", message=str(relapse))
    return _check_resized(pods, *expected.resized) if expected.resized is not None else None


def _find_relapse(pods: tuple[PodView, ...], expected: Expectation) -> Symptom | None:
    """A failure of the repaired pods after the write."""
    failures = (symptom for symptom in find_symptoms(pods) if symptom.kind in _FAILURES)
    return next((failure for failure in failures if failure.at is None or failure.at > expected.written_at), None)


def _check_resized(pods: tuple[PodView, ...], container: str, limit: int) -> Judgement | None:
    """A pod without the new limit: its kubelet refuses it, or the pod was recreated from the template since."""
    for pod in pods:
        if pod.resize_refused:
            message = f"the kubelet does not resize pod {pod.name}: {pod.resize_refused}"
            return Judgement(verdict=Verdict.NOT_HEALED, reason="ResizeRefused", message=message)
        if (actual := pod.memory_limits.get(container)) != limit:
            state = "no memory limit" if actual is None else f"a memory limit of {format_bytes(actual)}"
            message = f"pod {pod.name} has {state}, not {format_bytes(limit)}: the template must be changed as well"
            return Judgement(verdict=Verdict.NOT_HEALED, reason="NotResized", message=message)
    return None


def _judge_load(
    rule: Relief, load: Load | None, pods: tuple[PodView, ...], expected: Expectation, now: datetime
) -> Judgement:
    """All pods are ready; their load must be low as well, and stay low for the window."""
    against = saturation.judge(rule, load, expected.deadline, expected.settle.window, now)
    if against is not None:
        return against
    since = expected.calm_since or now
    judgement = _judge_stability(pods, expected.model_copy(update={"calm_since": since}), now)
    message = f"{judgement.message}; {load}" if judgement.verdict is Verdict.HEALED else judgement.message
    return judgement.model_copy(update={"calm_since": since, "message": message})


def _judge_stability(pods: tuple[PodView, ...], expected: Expectation, now: datetime) -> Judgement:
    """All is well now; it counts once it has been stable for the window."""
    window, stable = expected.settle.window, (now - stable_since(pods, expected, now)).total_seconds()
    if stable < window:
        if now > expected.deadline + timedelta(seconds=_MAX_WINDOWS * window):
            message = "The pods are ready, but they are replaced or restarted too often to judge."
            return inconclusive("NeverStable", message)
        return Judgement(reason="Holding", message=f"healthy for {stable:.0f} of {window:.0f} s")
    if expected.has_checks:
        return Judgement(reason=CHECKS_DUE, message=f"healthy for {stable:.0f} s; running the policy's checks")
    message = f"{len(pods)} pod(s) ready and stable for {stable:.0f} s"
    return Judgement(verdict=Verdict.HEALED, reason="Stable", message=message)


def stable_since(pods: tuple[PodView, ...], expected: Expectation, now: datetime) -> datetime:
    """The time since when these ready pods have been in the expected state."""
    calm = expected.calm_since or expected.written_at
    return max([calm, expected.written_at, *(pod.ready_since or now for pod in pods)])


def _time_out(workload: WorkloadView, pods: tuple[PodView, ...], expected: Expectation) -> Judgement:
    message = f"not healthy {expected.settle.timeout:.0f} s after the repair: {_progress(workload)}"
    if workload.available_replicas < expected.available_before:
        return Judgement(verdict=Verdict.WORSE, reason="FewerAvailable", message=message)
    if not pods:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="NoPods", message=message)
    return Judgement(verdict=Verdict.NOT_HEALED, reason="NotSettled", message=message)


def discount_node_loss(judgement: Judgement, pods: tuple[PodView, ...], nodes: tuple[NodeView, ...]) -> Judgement:
    """A repair that timed out proves nothing if the node of one of its pods was lost in the meantime."""
    lost = {node.name for node in nodes if not node.ready}
    affected = next((pod.node for pod in pods if pod.node in lost), None)
    if judgement.reason not in _TIMEOUT_REASONS or affected is None:
        return judgement
    return inconclusive("NodeLost", f"Node {affected} was lost during verification; {judgement.message}")


def _progress(workload: WorkloadView) -> str:
    details = f" ({workload.message})" if workload.message else ""
    counts = f"{workload.updated_replicas} of {workload.replicas} updated, {workload.available_replicas} available"
    return counts + details


def inconclusive(reason: str, message: str) -> Judgement:
    """A judgement that proves nothing."""
    return Judgement(verdict=Verdict.INCONCLUSIVE, reason=reason, message=message)
