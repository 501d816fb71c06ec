"""Verifies that a repair helped: pure functions of the workload's state at one moment, polled until they decide.

Only evidence counts against a repair: a failure of the repaired pods, the same failure as before, or fewer pods
available than before because of it. A rollout that is merely unfinished proves nothing. Missing data never counts as
healthy, and health must last.
"""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.culprits import REGISTRY_SILENT
from prunella_workflows.decisions.diagnosis.saturation import measure
from prunella_workflows.decisions.diagnosis.symptoms import Kind, Symptom, find_symptoms
from prunella_workflows.decisions.verification import saturation
from prunella_workflows.decisions.verification.expectation import Expectation
from prunella_workflows.decisions.verification.rollout import Rollout
from prunella_workflows.model.evidence import Usage
from prunella_workflows.model.neighbours import NodeView
from prunella_workflows.model.outcome import HOLDING, SERVED_BY_EXISTING_PODS, Judgement, Verdict, inconclusive
from prunella_workflows.model.plan import Relief
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView
from prunella_workflows.model.workload import PodView, WorkloadView

_MAX_WINDOWS = 5
"""Windows to wait for one in which no pod is replaced or loses its readiness."""

_RESIZE_TIME = timedelta(seconds=30)
"""A kubelet that has much to do takes seconds to apply a resize."""

CHECKS_DUE = "ChecksDue"
"""The reason of an open judgement: the pods are stable, and only the policy's checks are left (`promql_checks`)."""

LATE_REASONS = frozenset({"FewerAvailable", "NoPods", "NotSettled", "StillFailing"})
"""The reasons of a rollout that is late, for which a lost node may be to blame."""

_FAILURES = frozenset({Kind.OOM, Kind.CRASH, Kind.IMAGE, Kind.CONFIG})
_WEBHOOK_AWAY = "failed calling webhook"


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
    terminating = any(pod.deleting and not pod.node_lost for pod in pods)
    rollout = Rollout(workload, repaired_pods(workload, pods), expected, terminating)
    observed = workload.observed_generation >= workload.generation and bool(workload.revision)
    if observed and (failed := _check_failures(rollout.pods, expected)) is not None:
        return failed
    counted = rollout.counted_pods
    ready = bool(counted) and all(pod.ready and not pod.resizing for pod in counted)
    if not (observed and ready and rollout.complete):
        return _judge_unfinished(rollout, now)
    if expected.settle.relief is not None:
        after = usage if usage is not None and usage.at > expected.written_at else None
        return _judge_load(expected.settle.relief, rollout, after, now)
    return name_proof(_judge_stability(rollout, expected, now), counted, expected)


def repaired_pods(workload: WorkloadView, pods: tuple[PodView, ...]) -> tuple[PodView, ...]:
    """The live pods that were created from the current template."""
    return tuple(pod for pod in pods if pod.live and pod.revision == workload.revision)


def name_proof(judgement: Judgement, pods: tuple[PodView, ...], expected: Expectation) -> Judgement:
    """Healed by pods that all existed before the write proves the workload's health, but not what was to blame."""
    proven = expected.resized is not None or any(expected.made(pod) for pod in pods)
    if judgement.verdict is not Verdict.HEALED or proven:
        return judgement
    message = f"{judgement.message}; all of them ran before the repair, so its cause is not proven"
    return judgement.model_copy(update={"reason": SERVED_BY_EXISTING_PODS, "message": message})


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
    """A failure after the write. Every failure of a pod made since is one, whatever the clock of its node says.

    A registry that does not answer says nothing about the repair, and neither does a run with the old limit.
    """
    made = {pod.name for pod in pods if expected.made(pod)}
    failures = (one for one in find_symptoms(pods) if one.kind in _FAILURES and not _is_of_registry(one))
    since = (one for one in failures if one.at is None or one.at > expected.written_at or one.pod in made)
    return next((one for one in since if not _had_old_limit(one, pods, expected)), None)


def _had_old_limit(failure: Symptom, pods: tuple[PodView, ...], expected: Expectation) -> bool:
    """Report whether a run from before the resize of its pod ended before its kubelet can be expected to apply it."""
    if expected.resized is None or failure.at is None or failure.at > expected.written_at + _RESIZE_TIME:
        return False
    containers = (container for pod in pods if pod.name == failure.pod for container in pod.containers)
    ends = next((container.terminations for container in containers if container.name == failure.container), ())
    return bool(ends) and ends[0].started_at is not None and ends[0].started_at <= expected.written_at


def _is_of_registry(failure: Symptom) -> bool:
    """Report whether the registry is silent. A name that cannot be looked up may be a mistake in the template."""
    silent = failure.kind is Kind.IMAGE and REGISTRY_SILENT.search(failure.message) is not None
    return silent and "lookup " not in failure.message


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


def _judge_load(rule: Relief, rollout: Rollout, usage: Usage | None, now: datetime) -> Judgement:
    """All pods are ready; their load must be low as well, and stay low for the window."""
    expected, pods = rollout.expected, rollout.counted_pods
    load = measure(rule.resource, rollout.workload, pods, usage, now, container=rule.container)
    against = saturation.judge(rule, load, rollout.stalled_at, expected.settle.window, now)
    if against is not None:
        return against
    since = expected.calm_since or now
    judgement = _judge_stability(rollout, expected.model_copy(update={"calm_since": since}), now)
    message = f"{judgement.message}; {load}" if judgement.verdict is Verdict.HEALED else judgement.message
    named = name_proof(judgement.model_copy(update={"message": message}), pods, expected)
    return named.model_copy(update={"calm_since": since})


def _judge_stability(rollout: Rollout, expected: Expectation, now: datetime) -> Judgement:
    """All is well now; it counts once it has been stable for the window."""
    pods, window = rollout.counted_pods, expected.settle.window
    stable = (now - stable_since(pods, expected, now)).total_seconds()
    if stable < window:
        if now > rollout.limit + timedelta(seconds=_MAX_WINDOWS * window):
            message = "The pods are ready, but they are replaced or restarted too often to judge."
            return inconclusive("NeverStable", message)
        return Judgement(reason=HOLDING, message=f"healthy for {stable:.0f} of {window:.0f} s")
    if expected.has_checks:
        return Judgement(reason=CHECKS_DUE, message=f"healthy for {stable:.0f} s; running the policy's checks")
    message = f"{len(pods)} pod(s) ready and stable for {stable:.0f} s"
    return Judgement(verdict=Verdict.HEALED, reason="Stable", message=message)


def stable_since(pods: tuple[PodView, ...], expected: Expectation, now: datetime) -> datetime:
    """The time since when these ready pods have been in the expected state."""
    calm = expected.calm_since or expected.written_at
    return max([calm, expected.written_at, *(pod.ready_since or now for pod in pods)])


def _judge_unfinished(rollout: Rollout, now: datetime) -> Judgement:
    """Not all pods are ready: open until it is late, and even then undecided without evidence against the repair."""
    waiting = Judgement(reason="Settling", message=str(rollout))
    if now < rollout.stalled_at:
        return waiting
    if (failed := _check_persistence(rollout)) is not None:
        return failed
    elapsed = (now - rollout.expected.written_at).total_seconds()
    message = f"not finished {elapsed:.0f} s after the repair: {rollout}"
    if _costs_availability(rollout):
        return waiting if now < rollout.owner_deadline else _against(Verdict.WORSE, "FewerAvailable", message)
    if now < rollout.deadline:
        return waiting
    seen = "".join(f"; {symptom}" for symptom in find_symptoms(rollout.pods)[:1])
    full = f"The rollout of the repair is {message}{seen}. The repair stays in force."
    return inconclusive("NotSettled", full) if rollout.pods else inconclusive("NoPods", full)


def _check_persistence(rollout: Rollout) -> Judgement | None:
    """The failure of before, in a rollout that has stalled without a single ready pod."""
    pods, failing = rollout.pods, rollout.expected.baseline.failing
    if any(pod.ready for pod in pods):
        return None
    same = next((symptom for symptom in find_symptoms(pods) if symptom.kind in failing), None)
    if same is not None:
        return _against(Verdict.NOT_HEALED, "StillFailing", f"{same}, as before the repair")
    refusal = rollout.workload.create_failure
    refused = bool(refusal) and _WEBHOOK_AWAY not in refusal
    if not pods and (refused or Kind.NOT_MADE in failing):
        return _against(Verdict.NOT_HEALED, "NoPods", f"the repaired pods are not created: {refusal or rollout}")
    return None


def _costs_availability(rollout: Rollout) -> bool:
    """Report whether fewer pods are available than before, and the repaired ones are what is missing."""
    fewer = rollout.workload.available_replicas < rollout.expected.baseline.available
    return fewer and not (rollout.pods and all(pod.ready for pod in rollout.pods))


def discount_node_loss(judgement: Judgement, pods: tuple[PodView, ...], nodes: tuple[NodeView, ...]) -> Judgement:
    """A rollout that is late proves nothing if the node of one of its pods was lost in the meantime."""
    lost = {node.name for node in nodes if not node.ready}
    affected = next((pod.node for pod in pods if pod.node in lost), None)
    if judgement.verdict is None or judgement.reason not in LATE_REASONS or affected is None:
        return judgement
    return inconclusive("NodeLost", f"Node {affected} was lost during verification; {judgement.message}")


def _against(verdict: Verdict, reason: str, message: str) -> Judgement:
    return Judgement(verdict=verdict, reason=reason, message=message)
