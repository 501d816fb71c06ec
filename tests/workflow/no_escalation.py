"""An Escalation that notifies no one, for tests of the healing before it."""

from temporalio import workflow

from prunella_workflows.escalation.workflow import EscalationRequest


@workflow.defn(name="Escalation")
class NoEscalation:
    """It waits, as the real one does for hours: ending at once would disturb the last step of its parent."""

    @workflow.run
    async def run(self, request: EscalationRequest) -> None:
        del request
        await workflow.wait_condition(lambda: False)
