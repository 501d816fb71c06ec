"""An upgrade in the middle of repairs: the next release ends what the earlier one began, with each write made once."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker
from workflow.changed_workflows import PatchedSelfHealing
from workflow.healing_env import (
    ACTIVITIES,
    SETTLING,
    ScriptedActivities,
    start_dev_server,
    start_incident,
    start_time_skipping,
    watcher,
)
from workflow.no_escalation import NoEscalation

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.temporal.sandbox import workflow_runner

QUEUE = "prunella-test"
STEPS = ["confirm", "diagnose", "repair", "verify", "close"]
pytestmark = pytest.mark.timeout(120)


@asynccontextmanager
async def activity_worker(client, activities):
    own = [getattr(activities, name) for name in ACTIVITIES]
    async with watcher(client, activities), Worker(client, task_queue=QUEUE, activities=own):
        yield


@asynccontextmanager
async def workflow_worker(client, healing):
    """A worker of one release, over a connection of its own."""
    own = await Client.connect(
        client.service_client.config.target_host, data_converter=pydantic_data_converter, identity=healing.__name__
    )
    async with Worker(
        own,
        task_queue=QUEUE,
        workflows=[healing, NoEscalation],
        workflow_runner=workflow_runner(),
        max_cached_workflows=0,  # the test server gives what is kept for a worker that is gone to no other one
    ):
        yield


class Moment:
    """A point at which the workflow stands still until it is released."""

    def __init__(self):
        self.reached, self._go = asyncio.Event(), asyncio.Event()

    def before(self, outcome):
        async def act(request):
            self.reached.set()
            await self._go.wait()
            return outcome(request) if callable(outcome) else outcome

        return act

    def go(self):
        self._go.set()


def stopping(activities, step):
    """Pause in the first call of a step."""
    moment = Moment()
    first, *others = activities.script[step]
    activities.script[step] = [moment.before(first), *(others or [first])]
    return moment


async def workers_of(handle):
    """The workers that did the workflow's tasks, in order."""
    history = await handle.fetch_history()
    done = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    return [event.workflow_task_completed_event_attributes.identity for event in done]


@pytest.mark.parametrize("step", STEPS)
async def test_what_an_earlier_release_began_the_next_one_ends(step):
    activities = ScriptedActivities()
    moment = stopping(activities, step)
    async with start_time_skipping() as environment:
        client = environment.client
        async with activity_worker(client, activities):
            async with workflow_worker(client, SelfHealing):
                handle = await start_incident(client)
                end = asyncio.create_task(handle.result())  # time is skipped while a result is awaited
                await asyncio.wait_for(moment.reached.wait(), 30)
            async with workflow_worker(client, PatchedSelfHealing):
                moment.go()
                status = await asyncio.wait_for(end, 30)
        workers = await workers_of(handle)
    assert status.phase is Phase.HEALED
    assert activities.writes == ["uid-incident-1"]
    assert len(status.attempts) == 1
    assert workers[0] == "SelfHealing"
    assert workers[-1] == "PatchedSelfHealing"


async def test_while_both_releases_work_and_then_the_earlier_one_goes_all_are_healed():
    activities = ScriptedActivities(verify=[SETTLING] * 8 + ScriptedActivities().script["verify"])
    moment = stopping(activities, "verify")
    async with start_dev_server() as environment:  # the time-skipping server may lose the tasks of a worker that goes
        client = environment.client
        async with activity_worker(client, activities), workflow_worker(client, PatchedSelfHealing):
            async with workflow_worker(client, SelfHealing):
                handles = [await start_incident(client, incident=an_incident(number)) for number in range(8)]
                ends = asyncio.gather(*(handle.result() for handle in handles))
                await asyncio.wait_for(moment.reached.wait(), 30)
            moment.go()
            statuses = await asyncio.wait_for(ends, 60)
        busy = {identity for handle in handles for identity in await workers_of(handle)}
    assert [status.phase for status in statuses] == [Phase.HEALED] * 8
    assert sorted(activities.writes) == [f"uid-{number}-1" for number in range(8)]
    assert busy == {"SelfHealing", "PatchedSelfHealing"}


def an_incident(number):
    return IncidentRef(namespace="shop", name=f"web-{number}", uid=f"uid-{number}")
