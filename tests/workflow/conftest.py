"""Fixtures: a Temporal server for each test, with a worker that follows the test's script."""

import asyncio
import sys
from functools import wraps
from inspect import iscoroutinefunction
from pathlib import Path

import pytest
from builders import INCIDENT
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode
from workflow.healing_env import ScriptedActivities, handle_of, healing_worker, start_incident, start_time_skipping

from prunella_workflows.escalation.workflow import EscalationRequest, escalation_id

_TIMEOUT_SECONDS = 60
_REFUSED = "invalid history builder state for action"


class ServerStalled(Exception):
    """The time-skipping server refused a workflow task, and never offered it again.

    It does so when it fires a timer in the moment in which a workflow cancels it: about one run in twelve of the test
    of a deleted incident. A real server offers it again. Only such a test is run again; any other that hangs fails.
    """


_RERUN = pytest.mark.flaky(reruns=2, only_rerun=ServerStalled)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Limit these tests from within their event loop: a worker that a signal interrupts never comes to its end."""
    capture = config.pluginmanager.get_plugin("capturemanager")
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and iscoroutinefunction(item.obj):
            marker = item.get_closest_marker("timeout")
            seconds = marker.args[0] if marker else _TIMEOUT_SECONDS
            item.obj = _limited(item.obj, seconds, capture)
            item.add_marker(pytest.mark.timeout(2 * seconds), append=False)
            item.add_marker(_RERUN)


def _limited(function, seconds, capture):
    @wraps(function)
    async def limited(*args, **values):
        try:
            async with asyncio.timeout(seconds):
                return await function(*args, **values)
        except TimeoutError as error:
            if _is_refused(capture):
                raise ServerStalled from error
            raise

    return limited


def _is_refused(capture):
    """Report whether the SDK printed that the server refused a workflow task; what was printed stays captured."""
    out, err = capture.read_global_capture()
    sys.stdout.write(out)
    sys.stderr.write(err)
    return _REFUSED in out + err


class HealingEnv:
    """Runs one incident."""

    def __init__(self, environment):
        self.environment = environment
        self.client = environment.client

    def healing_worker(self, activities, **options):
        return healing_worker(self.client, activities, **options)

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

    async def start_incident(self, **values):
        return await start_incident(self.client, **values)

    async def run_incident(self, activities: ScriptedActivities, **values):
        """The final status of an incident without further input."""
        async with self.healing_worker(activities):
            return await (await self.start_incident(**values)).result()


@pytest.fixture
async def workflow_env():
    async with start_time_skipping() as environment:
        yield HealingEnv(environment)
