"""An upgrade in the middle of repairs: what an earlier build began, this one ends, with each write made once.

`python tests/workflow/record_build.py COMMIT` keeps the workflows of a release, when it is made.
"""

import asyncio
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.worker import Worker
from workflow.harness import ACTIVITIES, SETTLING, Hands, begin, real_stage, stage
from workflow.record_build import BUILDS
from workflow.silence import Silence

from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.temporal.sandbox import workflow_runner

QUEUE = "prunella-test"
RECORDED = sorted(BUILDS.glob("*.zip"))
STEPS = ["confirm", "diagnose", "repair", "verify", "close"]
pytestmark = pytest.mark.timeout(120)


def _name(path):
    return path.stem


@asynccontextmanager
async def earlier(build, client):
    """A worker of an earlier build, as a process, which is told to end at the end."""
    address = client.service_client.config.target_host
    line = [sys.executable, str(Path(BUILDS) / "worker.py"), str(build), address, QUEUE]
    process = await asyncio.create_subprocess_exec(*line, stdout=asyncio.subprocess.PIPE)
    try:
        assert await process.stdout.readline() == b"working\n"
        yield process
    finally:
        process.terminate()
        assert await process.wait() == 0


def hands_of_this_build(client, hands):
    return Worker(client, task_queue=QUEUE, activities=[getattr(hands, name) for name in ACTIVITIES])


def workflows_of_this_build(client):
    return Worker(
        client,
        task_queue=QUEUE,
        workflows=[SelfHealing, Silence],
        workflow_runner=workflow_runner(),
        workflow_failure_exception_types=[Exception],
    )


class Moment:
    """A point at which the workflow stands still until it is let go."""

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


def stopping(hands, step):
    """The hands, with a pause in the first call of a step."""
    moment = Moment()
    first, *others = hands.script[step]
    hands.script[step] = [moment.before(first), *(others or [first])]
    return moment


async def workers_of(handle):
    """Who did the workflow's tasks, in order."""
    history = await handle.fetch_history()
    done = [event for event in history.events if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED]
    return [one.workflow_task_completed_event_attributes.identity for one in done]


def test_a_build_is_recorded():
    assert RECORDED


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("build", RECORDED, ids=_name)
async def test_what_an_earlier_build_began_this_one_ends(build, step):
    hands = Hands()
    moment = stopping(hands, step)
    async with stage() as environment:
        client = environment.client
        async with hands_of_this_build(client, hands):
            async with earlier(build, client):
                handle = await begin(client)
                end = asyncio.create_task(handle.result())  # time is skipped while somebody waits for this
                await asyncio.wait_for(moment.reached.wait(), 30)
            async with workflows_of_this_build(client):
                moment.go()
                status = await asyncio.wait_for(end, 30)
        workers = await workers_of(handle)
    assert status.phase is Phase.HEALED
    assert hands.writes == ["uid-incident-1"]
    assert len(status.attempts) == 1
    assert workers[0] == "previous-build"
    assert workers[-1] == "prunella-test"


@pytest.mark.parametrize("build", RECORDED, ids=_name)
async def test_while_both_builds_work_and_then_the_earlier_one_goes_all_are_healed(build):
    hands = Hands(verify=[SETTLING] * 8 + Hands().script["verify"])
    moment = stopping(hands, "verify")
    async with real_stage() as environment:  # the time-skipping server may lose the tasks of a worker that goes
        client = environment.client
        async with hands_of_this_build(client, hands), workflows_of_this_build(client):
            async with earlier(build, client):
                handles = [await begin(client, incident=an_incident(number)) for number in range(8)]
                ends = asyncio.gather(*(one.result() for one in handles))
                await asyncio.wait_for(moment.reached.wait(), 30)
            moment.go()
            statuses = await asyncio.wait_for(ends, 60)
        busy = {identity for handle in handles for identity in await workers_of(handle)}
    assert [status.phase for status in statuses] == [Phase.HEALED] * 8
    assert sorted(hands.writes) == [f"uid-{number}-1" for number in range(8)]
    assert busy == {"previous-build", "prunella-test"}


def an_incident(number):
    return IncidentRef(namespace="shop", name=f"web-{number}", uid=f"uid-{number}")
