"""Fixtures: a stage of one's own, with a worker that follows the test's script."""

import pytest
from builders import INCIDENT
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from workflow.harness import Hands, begin, handle_of, performing, stage

from prunella_workflows.escalation.workflow import EscalationRequest, escalation_id


class Stage:
    """Plays one incident and gives its end."""

    def __init__(self, environment):
        self.environment = environment
        self.client = environment.client

    def performing(self, hands, **options):
        return performing(self.client, hands, **options)

    @property
    def handle(self):
        return handle_of(self.client)

    async def escalation(self):
        """The request of the Escalation that the incident started, or None."""
        handle = self.client.get_workflow_handle(escalation_id(INCIDENT.uid))
        try:
            history = await handle.fetch_history()
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            return None
        payloads = history.events[0].workflow_execution_started_event_attributes.input.payloads
        (request,) = await pydantic_data_converter.decode(payloads, [EscalationRequest])
        return request

    async def begin(self, **values):
        return await begin(self.client, **values)

    async def play(self, hands: Hands, **values):
        """The status in which an incident ends that is left alone."""
        async with self.performing(hands):
            return await (await self.begin(**values)).result()


@pytest.fixture
async def the_stage():
    async with stage() as environment:
        yield Stage(environment)
