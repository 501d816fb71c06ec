"""Workflow histories: the calls of activities with their answers."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from temporalio.api.common.v1 import Payloads
from temporalio.client import WorkflowHistory


class ActivityCall(NamedTuple):
    """A completed call of an activity, and the time of its answer."""

    at: datetime
    input: Payloads
    result: Payloads


def completed_calls(history: WorkflowHistory, activity: str) -> Iterator[ActivityCall]:
    """The calls of an activity, oldest first. What failed, or is under way, has no answer."""
    inputs: dict[int, Payloads] = {}
    for event in history.events:
        scheduled = event.activity_task_scheduled_event_attributes
        completed = event.activity_task_completed_event_attributes
        if scheduled.activity_type.name == activity:
            inputs[event.event_id] = scheduled.input
        elif completed.scheduled_event_id in inputs:
            at = event.event_time.ToDatetime(UTC)
            yield ActivityCall(at, inputs[completed.scheduled_event_id], completed.result)
