"""Workflows as a later release may have changed them: carelessly, behind a patch, or with a bug."""

from temporalio import workflow
from workflow.item_workflows import Items
from workflow.saga_workflows import OrderSaga

from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import AlertRequest, AlertState
from prunella_workflows.contracts.healing import HealingRequest
from prunella_workflows.contracts.telemetry import PipelineRequest, PipelineState
from prunella_workflows.escalation.workflow import Escalation, EscalationRequest
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.incident_status import EscalationNote, IncidentStatus
from prunella_workflows.patterns import ApprovalRequest, ApprovalResult, ApprovalWorkflow, ProcessedItems
from prunella_workflows.telemetry.workflow import TelemetryPipeline


@workflow.defn(name="SelfHealing")
class CarelessSelfHealing(SelfHealing):
    """Pauses first, without a patch."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: HealingRequest) -> IncidentStatus:
        await workflow.sleep(1)
        return await super().run(request)


@workflow.defn(name="Escalation")
class CarelessEscalation(Escalation):
    """Pauses first, without a patch."""

    @workflow.init
    def __init__(self, request: EscalationRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: EscalationRequest) -> EscalationNote:
        await workflow.sleep(1)
        return await super().run(request)


@workflow.defn(name="AlertHandling")
class CarelessAlertHandling(AlertHandling):
    """Pauses first, without a patch."""

    @workflow.init
    def __init__(self, request: AlertRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: AlertRequest) -> AlertState:
        await workflow.sleep(1)
        return await super().run(request)


@workflow.defn(name="TelemetryPipeline")
class CarelessTelemetryPipeline(TelemetryPipeline):
    """Pauses first, without a patch."""

    @workflow.init
    def __init__(self, request: PipelineRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: PipelineRequest) -> PipelineState:
        await workflow.sleep(1)
        return await super().run(request)


@workflow.defn(name="SelfHealing")
class PatchedSelfHealing(SelfHealing):
    """Pauses first in runs that begin with this release; runs of the release before go on without the pause."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: HealingRequest) -> IncidentStatus:
        if workflow.patched("pause-first"):
            await workflow.sleep(1)
        return await super().run(request)


@workflow.defn(name="SelfHealing")
class Broken(SelfHealing):
    """Raises an error that is a bug."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: HealingRequest) -> IncidentStatus:
        raise KeyError(request.incident.name)


@workflow.defn(name="Order")
class CarelessOrderSaga(OrderSaga):
    """Pauses first, without a patch."""

    @workflow.run
    async def run(self, order: str) -> str:
        await workflow.sleep(1)
        return await super().run(order)


@workflow.defn(name="Approval")
class CarelessApproval(ApprovalWorkflow):
    """Pauses first, without a patch."""

    @workflow.init
    def __init__(self, request: ApprovalRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: ApprovalRequest) -> ApprovalResult:
        await workflow.sleep(1)
        return await super().run(request)


@workflow.defn(name="Items")
class CarelessItems(Items):
    """Pauses first, without a patch."""

    @workflow.run
    async def run(self, numbers: list[int]) -> ProcessedItems:
        await workflow.sleep(1)
        return await super().run(numbers)
