"""The environment of Escalation: an escalated incident, a rule, and recorded notifications."""

from contextlib import asynccontextmanager

from builders import INCIDENT, NOW, a_spec
from temporalio.worker import Worker
from workflow.healing_env import ACTIVITIES, watcher

from prunella_workflows.escalation.workflow import Escalation, EscalationRequest, escalation_id
from prunella_workflows.model.incident import Acknowledgement
from prunella_workflows.model.incident_status import EscalationNote, IncidentStatus, Phase
from prunella_workflows.model.policy_escalation import EscalationRule
from prunella_workflows.temporal.sandbox import workflow_runner

ALICE = Acknowledgement(by="alice@example.org")
TWO_LEVELS = {"channels": ["shop/chat"], "levels": [{"after": "15m", "channels": ["shop/pager"]}]}
STATUS = IncidentStatus(
    phase=Phase.ESCALATED,
    reason="NoKnownGoodRevision",
    message="No earlier release is known to have worked.",
    target="Deployment/web",
    root_cause="bad_release",
    confidence="90%",
    next_step="Fix the release.",
    escalation=EscalationNote(reason="NoKnownGoodRevision", message="No earlier release is known to have worked."),
)


class EscalationEnv:
    """One escalation."""

    def __init__(self, client, notices, activities):
        self.client, self.notices, self.activities = client, notices, activities

    @asynccontextmanager
    async def healing_worker(self, *others):
        async with (
            watcher(self.client, self.activities),
            Worker(
                self.client,
                task_queue="prunella-test",
                workflows=[Escalation, *others],
                activities=[
                    self.notices.notify,
                    self.notices.ticket,
                    *(getattr(self.activities, name) for name in ACTIVITIES),
                ],
                workflow_runner=workflow_runner(),
                workflow_failure_exception_types=[Exception],
            ),
        ):
            yield

    async def start_incident(self, rule, **values):
        request = EscalationRequest(
            **{
                "incident": INCIDENT,
                "spec": a_spec(severity="Critical"),
                "opened_at": NOW,
                "status": STATUS,
                "rule": EscalationRule.model_validate(rule),
                **values,
            }
        )
        handle = await self.client.start_workflow(
            Escalation.run, request, id=escalation_id(INCIDENT.uid), task_queue="prunella-test"
        )
        self.started = (await handle.describe()).start_time
        return handle

    async def run_incident(self, rule, **values):
        async with self.healing_worker():
            return await (await self.start_incident(rule, **values)).result()
