"""Verify: read a repaired workload once, and judge it."""

from collections.abc import Iterable, Iterator
from typing import Any

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes.api import Object
from prunella_operator.metrics.port import MetricsSource, NotConfigured
from prunella_workflows.contracts.healing import VerifyRequest
from prunella_workflows.decisions.verification import promql_checks, telemetry, verification
from prunella_workflows.decisions.verification.expectation import Expectation
from prunella_workflows.decisions.verification.rollout import Rollout
from prunella_workflows.model import promql
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.evidence import Usage
from prunella_workflows.model.measurement import Answer, NoData, Why
from prunella_workflows.model.outcome import Judgement, Verdict
from prunella_workflows.model.plan import Action, RaiseMaxReplicas, ResizePods, Scale
from prunella_workflows.model.policy_verification import Check
from prunella_workflows.model.scaling import HorizontalPodAutoscalerView
from prunella_workflows.model.workload import PodView, WorkloadView

_CHECKS_TIMEOUT_SECONDS = 8.0


class Verifier:
    """Reads the workload and calls the decision."""

    def __init__(self, collector: EvidenceCollector, metrics: MetricsSource | None = None) -> None:
        self._collector = collector
        self._metrics = metrics or NotConfigured()

    def verify(self, request: VerifyRequest) -> Judgement:
        """A verdict, or still undecided. A deleted workload is Inconclusive."""
        return self._judge(request).model_copy(update={"blind": request.blind})

    def _judge(self, request: VerifyRequest) -> Judgement:
        try:
            raw, workload, pods = self._collector.view(request.target)
        except NotFound as error:
            return Judgement(verdict=Verdict.INCONCLUSIVE, reason="TargetDeleted", message=str(error))
        expected = Expectation(
            template_hash=request.template_hash,
            template_before=request.action.require.template_hash if request.action else "",
            action_id=request.action_id,
            written_at=request.written_at,
            baseline=request.baseline,
            settle=request.settle,
            has_checks=request.has_checks or bool(request.settle.checks) or request.settle.telemetry,
            blind=request.blind,
            calm_since=request.calm_since,
            **_numbers(request.action),
        )
        judgement = verification.verify(
            workload,
            pods,
            expected,
            clock.now(),
            usage=self._usage(workload, pods, request),
            autoscaler=self._autoscaler(raw, request.action),
        )
        if judgement.verdict is not None and judgement.reason in verification.LATE_REASONS:
            judgement = verification.discount_node_loss(judgement, pods, self._collector.nodes(pods))
        if judgement.reason != verification.CHECKS_DUE:
            return judgement
        checked = self._run_checks(workload, pods, expected)
        return checked.model_copy(update={"calm_since": judgement.calm_since})

    def _usage(self, workload: WorkloadView, pods: tuple[PodView, ...], request: VerifyRequest) -> Usage | None:
        """The usage of the pods, if it decides. The reason why it is unknown is in the evidence of the diagnosis."""
        if request.settle.relief is None:
            return None
        found = self._collector.usage(workload.ref, verification.repaired_pods(workload, pods))
        return found if isinstance(found, Usage) else None

    def _autoscaler(self, raw: Object, action: Action | None) -> HorizontalPodAutoscalerView | None:
        """The autoscaler as it is now, if it is what was repaired."""
        if not isinstance(action, RaiseMaxReplicas):
            return None
        found = self._collector.scaling(raw).autoscalers
        return next((scaler for scaler in found if scaler.name == action.autoscaler), None)

    def _run_checks(self, workload: WorkloadView, pods: tuple[PodView, ...], expected: Expectation) -> Judgement:
        """The verdict of telemetry and of the policy's checks on pods that have stayed healthy."""
        current = Rollout(workload, verification.repaired_pods(workload, pods), expected).counted_pods
        judgement = self._judge_telemetry(workload, current, expected) if expected.settle.telemetry else None
        if judgement is None or (judgement.verdict is Verdict.HEALED and expected.settle.checks):
            judgement = self._judge_checks(workload, current, expected)
        return verification.name_proof(judgement, current, expected)

    def _judge_telemetry(
        self, workload: WorkloadView, current: tuple[PodView, ...], expected: Expectation
    ) -> Judgement:
        now, view = clock.now(), self._collector.telemetry(workload.ref)
        return telemetry.judge(view, expected, verification.stable_since(current, expected, now), now)

    def _judge_checks(self, workload: WorkloadView, current: tuple[PodView, ...], expected: Expectation) -> Judgement:
        ref = workload.ref
        values = promql.Values(ref.namespace, ref.name, ref.kind, [pod.name for pod in current])
        results = tuple(run_checks(self._metrics, expected.settle.checks, values))
        now = clock.now()
        return promql_checks.judge(results, expected, verification.stable_since(current, expected, now), now)


def _numbers(action: Action | None) -> dict[str, Any]:
    """The number that the action set, and its value before."""
    if isinstance(action, Scale):
        return {"replicas": action.replicas_to, "number_before": action.replicas_from}
    if isinstance(action, RaiseMaxReplicas):
        return {"max_replicas": action.max_to, "number_before": action.max_from}
    if isinstance(action, ResizePods):
        return {"resized": (action.container, action.limit_to)}
    return {}


def run_checks(
    source: MetricsSource, wanted: Iterable[Check], values: promql.Values
) -> Iterator[promql_checks.CheckResult]:
    """Run the checks while there is time: the activity must end before its timeout."""
    end = clock.monotonic() + _CHECKS_TIMEOUT_SECONDS
    for check in wanted:
        late = NoData(why=Why.SLOW, message="there was no time left to query it")
        result = _query(source, check.query, values) if clock.monotonic() < end else late
        yield promql_checks.CheckResult(check=check, result=result)


def _query(source: MetricsSource, query: str, values: promql.Values) -> Answer:
    try:
        return source.value(promql.fill(query, values))
    except ValueError as error:  # recorded by an earlier release, which accepted it
        return NoData(why=Why.REFUSED, message=str(error))
