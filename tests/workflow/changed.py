"""A SelfHealing that somebody changed without a thought for the incidents that are under way."""

from temporalio import workflow

from prunella_workflows.contract import HealingRequest
from prunella_workflows.healing import SelfHealing
from prunella_workflows.model.incident import IncidentStatus


@workflow.defn(name="SelfHealing")
class Changed(SelfHealing):
    """It pauses before it begins."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: HealingRequest) -> IncidentStatus:
        await workflow.sleep(1)
        return await super().run(request)
