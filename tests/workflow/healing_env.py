"""The environment of SelfHealing: the time-skipping server, a worker, and activities that follow a script.

A script gives each activity a list of outcomes, one a call; the last one is repeated. An outcome is a value, an
exception, or an (async) function of the request that returns either. Nothing here sleeps: the server skips time
while a result is awaited, and what must happen at a certain moment is done from inside the activity of that moment.
"""

import asyncio
import re
import sys
from collections import Counter
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from inspect import isawaitable
from pathlib import Path

from builders import INCIDENT, WEB, a_repaired, a_report, a_request
from temporalio import activity
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError, CancelledError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker
from workflow.no_escalation import NoEscalation
from workflow.recording_notifications import RecordingNotifications

from prunella_workflows.contracts.healing import (
    Confirmation,
    ConfirmRequest,
    DiagnoseReport,
    DiagnoseRequest,
    HealingActivities,
    Repaired,
    RepairOrder,
    ReportRequest,
    VerifyRequest,
    watch_queue,
    workflow_id,
)
from prunella_workflows.contracts.notifications import NoticeActivities
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import Permanent
from prunella_workflows.model.incident_status import IncidentStatus
from prunella_workflows.model.outcome import Judgement, Presence, Sighting, Verdict
from prunella_workflows.temporal.sandbox import workflow_runner

BIN = Path(sys.executable).parent
ACTIVITIES = ("diagnose", "repair", "undo", "report", "close")


def seen(presence=Presence.FAILING, reason="FaultPersists", **values):
    """A result of confirm."""
    sighting = Sighting(presence=presence, reason=reason, message="pod web-2-a: OOMKilled", **values)
    return Confirmation(target=WEB, sighting=sighting)


def judged(verdict=None, reason="Settling", message="2 of 3 updated"):
    """A result of verify."""
    return Judgement(verdict=verdict, reason=reason, message=message)


SETTLING = judged()
HEALED = judged(Verdict.HEALED, "Stable", "3 pod(s) ready and stable for 60 s")
NOT_HEALED = judged(Verdict.NOT_HEALED, "Relapse", "pod web-2-a, container app: OOMKilled")


def raised(error):
    """An error of ours as it crosses from an activity to the workflow."""
    return ApplicationError(str(error), type=error.reason, non_retryable=isinstance(error, Permanent))


def written(order, **values):
    """The result of an order that was applied."""
    return a_repaired(order.action_id, **values)


def without_run(action_id):
    """An action id without the run of the workflow, which is another one each time."""
    return re.sub(r"-[0-9a-f]{8}(-\d+(-undo)?)$", r"\1", action_id)


def unanswered(_request):
    """An activity whose worker died after it began: it never completes."""
    activity.raise_complete_async()


class ScriptedActivities(HealingActivities):
    """Activities that follow a script and record every call. By default the first repair heals."""

    def __init__(self, **script):
        self.script = {
            "confirm": [seen()],
            "diagnose": [a_report()],
            "repair": [written],
            "undo": [written],
            "verify": [SETTLING, HEALED],
            "report": [None],
            "close": [None],
            **{name: outcomes if isinstance(outcomes, list) else [outcomes] for name, outcomes in script.items()},
        }
        self.calls = []
        self.statuses = []
        self._counts = Counter()
        self._changed = asyncio.Condition()

    async def _follow_script(self, name, request):
        number = self._counts[name]
        self._counts[name] += 1
        self.calls.append((name, request))
        if name in ("report", "close"):
            async with self._changed:
                self.statuses.append(request.status)
                self._changed.notify_all()
        outcomes = self.script[name]
        outcome = outcomes[min(number, len(outcomes) - 1)]
        if callable(outcome):
            outcome = outcome(request)
        if isawaitable(outcome):
            outcome = await outcome
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def wait_for_reason(self, reason):
        """Wait until the status was reported with this reason."""
        async with self._changed:
            await self._changed.wait_for(lambda: any(status.reason == reason for status in self.statuses))

    async def wait_for_event(self, reason):
        """Wait until an Event with this reason was reported."""
        async with self._changed:
            await self._changed.wait_for(lambda: reason in self.events)

    def requests(self, name):
        """The requests of one activity, in order."""
        return [request for called, request in self.calls if called == name]

    @property
    def order(self):
        """The names of the calls, without reports."""
        return [name for name, _ in self.calls if name != "report"]

    @property
    def writes(self):
        """The action ids of the requested writes, in order, without the run of the workflow."""
        return [without_run(request.action_id) for name, request in self.calls if name in ("repair", "undo")]

    @property
    def events(self):
        """The reasons of the Events that were posted."""
        return [
            event.reason for name in ("report", "close") for request in self.requests(name) for event in request.events
        ]

    @activity.defn(name="confirm")
    async def confirm(self, request: ConfirmRequest) -> Confirmation:
        return await self._follow_script("confirm", request)

    @activity.defn(name="diagnose")
    async def diagnose(self, request: DiagnoseRequest) -> DiagnoseReport:
        return await self._follow_script("diagnose", request)

    @activity.defn(name="repair")
    async def repair(self, order: RepairOrder) -> Repaired:
        return await self._follow_script("repair", order)

    @activity.defn(name="undo")
    async def undo(self, order: RepairOrder) -> Repaired:
        return await self._follow_script("undo", order)

    @activity.defn(name="verify")
    async def verify(self, request: VerifyRequest) -> Judgement:
        return await self._follow_script("verify", request)

    @activity.defn(name="report")
    async def report(self, request: ReportRequest) -> None:
        return await self._follow_script("report", request)

    @activity.defn(name="close")
    async def close(self, request: ReportRequest) -> None:
        return await self._follow_script("close", request)


@asynccontextmanager
async def _starting(start, **options):
    async with await start(data_converter=pydantic_data_converter, identity="prunella-test", **options) as environment:
        yield environment


def start_time_skipping(**options):
    """A time-skipping server for one test."""
    return _starting(
        WorkflowEnvironment.start_time_skipping,
        test_server_existing_path=str(BIN / "temporal-test-server"),
        **options,
    )


def start_dev_server(**options):
    """A real server for one test, in memory; its time is not skipped."""
    return _starting(
        WorkflowEnvironment.start_local,
        dev_server_existing_path=str(BIN / "temporal"),
        dev_server_startup_timeout=timedelta(seconds=60),
        **options,
    )


def handle_of(client: Client):
    """The workflow of the incident, started or not."""
    return client.get_workflow_handle_for(SelfHealing.run, workflow_id(INCIDENT.uid))


def watcher(client: Client, activities: HealingActivities):
    """A worker of the watching activities."""
    return Worker(client, task_queue=watch_queue("prunella-test"), activities=[activities.confirm, activities.verify])


@asynccontextmanager
async def healing_worker(
    client: Client,
    activities: ScriptedActivities,
    others=(NoEscalation,),
    notices: NoticeActivities | None = None,
    healing=SelfHealing,
    *,
    watches=True,
    **options,
):
    """Workers with these activities on the queue `prunella-test` and, if they watch, on that of watching activities.

    An escalation notifies no one.
    """
    notices = notices or RecordingNotifications()
    async with (
        watcher(client, activities) if watches else nullcontext(),
        Worker(
            client,
            task_queue="prunella-test",
            workflows=[healing, *others],
            activities=[notices.notify, *(getattr(activities, name) for name in ACTIVITIES)],
            workflow_runner=workflow_runner(),
            workflow_failure_exception_types=[Exception],
            **options,
        ) as worker,
    ):
        yield worker


async def start_incident(client: Client, **values):
    """Start the workflow of the incident, as the controller does."""
    request = a_request(**values)
    return await client.start_workflow(
        SelfHealing.run, request, id=workflow_id(request.incident.uid), task_queue="prunella-test"
    )


async def ending(handle):
    """The status in which Temporal closed the workflow."""
    try:
        await handle.result()
    except WorkflowFailureError as error:
        return "Cancelled" if isinstance(error.cause, CancelledError) else "Failed"
    return "Completed"


async def idle(handle):
    """Wait until the workflow waits for nothing but people and time: no activity is under way."""
    while (await handle.fetch_history()).events[-1].event_type not in (
        EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED,
        EventType.EVENT_TYPE_TIMER_STARTED,
    ):
        pass


async def cancel_and_see(handle):
    """Cancel, and wait until the workflow has taken notice: a workflow task was completed after the request."""
    await handle.cancel()
    seen_it = False
    while not seen_it:
        kinds = [event.event_type for event in (await handle.fetch_history()).events]
        asked = kinds.index(EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED)
        seen_it = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED in kinds[asked:]


def condition(status: IncidentStatus, kind: str):
    """A condition's status and reason."""
    return next(((one.status, one.reason) for one in status.conditions if one.type == kind), None)
