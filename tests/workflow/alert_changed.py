"""An AlertHandling that somebody changed without a thought for the alerts that are being handled."""

from temporalio import workflow

from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import AlertRequest, AlertState


@workflow.defn(name="AlertHandling")
class Changed(AlertHandling):
    """It pauses before it begins."""

    @workflow.init
    def __init__(self, request: AlertRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: AlertRequest) -> AlertState:
        await workflow.sleep(1)
        return await super().run(request)
