"""Orders to write, read from the history of a workflow: each with its outcome, however often it was repeated."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payloads
from temporalio.api.history.v1 import HistoryEvent
from temporalio.converter import DataConverter

from prunella_workflows.contracts.healing import Repaired, RepairOrder, ReportRequest
from prunella_workflows.model.incident_status import Attempt

APPLIED = "Applied"
_TIMED_OUT = "TimedOut"
_ORDERS = frozenset({"repair", "undo"})
_REPORTS = frozenset({"report", "close"})
_DIAGNOSIS = "diagnose"


@dataclass(frozen=True)
class RecordedOrder:
    """One order. `diagnosis` is the number of the diagnosis before it, `worker` is Temporal's name of the worker.

    `outcome`: Applied, the type of the error, or "" while it is under way. After an error other than a refusal it is
    not known whether something was written.
    """

    kind: str
    order: RepairOrder
    diagnosis: int
    ordered_at: datetime
    ended_at: datetime | None = None
    outcome: str = ""
    worker: str = ""
    repaired: Repaired | None = None


@dataclass(frozen=True)
class RecordedWork:
    """The orders of an incident, in order, and its attempts as they were reported last."""

    orders: tuple[RecordedOrder, ...]
    attempts: tuple[Attempt, ...]


async def read_work(converter: DataConverter, events: Iterable[HistoryEvent]) -> RecordedWork:
    """The orders and the attempts in the events of one workflow run."""
    reader = _Reader(converter)
    for event in events:
        await reader.read(event)
    return RecordedWork(tuple(reader.orders.values()), await reader.attempts())


class _Reader:
    """Reads a history, event by event. An order that is repeated has the same action id, and is the same order."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._calls: dict[int, str] = {}  # action ids by the number of the event that scheduled the activity
        self._diagnoses: set[int] = set()
        self._diagnosed = 0
        self._report: Payloads | None = None
        self.orders: dict[str, RecordedOrder] = {}

    async def read(self, event: HistoryEvent) -> None:
        at = event.event_time.ToDatetime(UTC)
        match event.WhichOneof("attributes"):
            case "activity_task_scheduled_event_attributes":
                await self._scheduled(event, at)
            case "activity_task_started_event_attributes":
                started = event.activity_task_started_event_attributes
                self._change(started.scheduled_event_id, worker=started.identity)
            case "activity_task_completed_event_attributes":
                await self._completed(event, at)
            case "activity_task_failed_event_attributes":
                failed = event.activity_task_failed_event_attributes
                kind = failed.failure.application_failure_info.type
                self._change(failed.scheduled_event_id, outcome=kind, ended_at=at)
            case "activity_task_timed_out_event_attributes":
                timed_out = event.activity_task_timed_out_event_attributes
                self._change(timed_out.scheduled_event_id, outcome=_TIMED_OUT, ended_at=at)

    async def attempts(self) -> tuple[Attempt, ...]:
        """The attempts in the last report."""
        if self._report is None:
            return ()
        (request,) = await self._converter.decode(self._report.payloads, [ReportRequest])
        attempts: tuple[Attempt, ...] = request.status.attempts
        return attempts

    async def _scheduled(self, event: HistoryEvent, at: datetime) -> None:
        scheduled = event.activity_task_scheduled_event_attributes
        name = scheduled.activity_type.name
        if name in _ORDERS:
            (order,) = await self._converter.decode(scheduled.input.payloads, [RepairOrder])
            self._calls[event.event_id] = order.action_id
            self.orders.setdefault(order.action_id, RecordedOrder(name, order, self._diagnosed, at))
        elif name == _DIAGNOSIS:
            self._diagnoses.add(event.event_id)
        elif name in _REPORTS:
            self._report = scheduled.input

    async def _completed(self, event: HistoryEvent, at: datetime) -> None:
        completed = event.activity_task_completed_event_attributes
        self._diagnosed += completed.scheduled_event_id in self._diagnoses
        if completed.scheduled_event_id in self._calls:
            (done,) = await self._converter.decode(completed.result.payloads, [Repaired])
            self._change(completed.scheduled_event_id, outcome=APPLIED, ended_at=at, repaired=done)

    def _change(self, scheduled_id: int, **values: Any) -> None:
        if (action_id := self._calls.get(scheduled_id)) is not None:
            self.orders[action_id] = replace(self.orders[action_id], **values)
