"""Workflows that somebody changed without a thought for those that are under way."""

from temporalio import workflow

from prunella_workflows.contracts.healing import HealingRequest
from prunella_workflows.escalation.workflow import Escalation, EscalationRequest
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.incident_status import EscalationNote, IncidentStatus


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


@workflow.defn(name="Escalation")
class ChangedEscalation(Escalation):
    """It pauses before it begins."""

    @workflow.init
    def __init__(self, request: EscalationRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: EscalationRequest) -> EscalationNote:
        await workflow.sleep(1)
        return await super().run(request)


@workflow.defn(name="SelfHealing")
class Broken(SelfHealing):
    """Its code raises what no code should."""

    @workflow.init
    def __init__(self, request: HealingRequest) -> None:
        super().__init__(request)

    @workflow.run
    async def run(self, request: HealingRequest) -> IncidentStatus:
        raise KeyError(request.incident.name)
