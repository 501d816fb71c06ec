"""Verify: one look at a repaired workload, judged by the brain."""

from prunella_operator import clock
from prunella_operator.activities.gather import Gatherer
from prunella_workflows import health
from prunella_workflows.contract import VerifyRequest
from prunella_workflows.errors import NotFound
from prunella_workflows.model.outcome import Judgement, Verdict


class Verifier:
    """Looks, and lets the brain judge."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer

    def verify(self, request: VerifyRequest) -> Judgement:
        """Decided, or still open. A workload that is gone decides nothing: Inconclusive."""
        try:
            _, workload, pods = self._gatherer.view(request.target)
        except NotFound as error:
            return Judgement(verdict=Verdict.INCONCLUSIVE, reason="TargetDeleted", message=str(error))
        expected = health.Expectation(
            template_hash=request.template_hash,
            action_id=request.action_id,
            written_at=request.written_at,
            available_before=request.available_before,
            settle=request.settle,
            has_checks=request.has_checks,
            blind=request.blind,
        )
        return health.verify(workload, pods, expected, clock.now())
