"""Plans of observed incidents, from recorded histories."""

import base64
import json
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.service import RPCError, RPCStatusCode

from prunella_operator.aftermath.plans import PlanReader
from prunella_workflows.model.errors import InvalidIncident

HISTORIES = Path(__file__).parents[3] / "workflow" / "histories" / "healings"


class FakeClient:
    """A client whose server has one history."""

    data_converter = pydantic_data_converter

    def __init__(self, history):
        self.history, self.asked = history, []

    def get_workflow_handle(self, workflow_id):
        self.asked.append(workflow_id)
        return self

    async def fetch_history(self):
        if isinstance(self.history, Exception):
            raise self.history
        return WorkflowHistory.from_json("incident-u1", self.history)


def recorded(name="healed-at-the-second-attempt"):
    return json.loads((HISTORIES / f"{name}.json").read_text(encoding="utf-8"))


async def test_the_last_plan_is_read_with_its_time():
    client = FakeClient(recorded())
    shown = await PlanReader(client).read("u1")
    assert client.asked == ["incident-u1"]
    assert shown.step.action.kind in {"SetMemory", "RestoreTemplate", "Restart"}
    assert shown.at.tzinfo is not None
    assert not shown.has_checks


async def test_what_temporal_has_forgotten_has_no_plan():
    gone = RPCError("no such workflow", RPCStatusCode.NOT_FOUND, b"")
    assert await PlanReader(FakeClient(gone)).read("u1") is None


async def test_an_incident_that_was_never_diagnosed_has_no_plan():
    history = recorded()
    history["events"] = history["events"][:3]
    assert await PlanReader(FakeClient(history)).read("u1") is None


def with_diagnoses(change):
    """A recorded history whose diagnoses were changed."""
    history = recorded()
    for event in history["events"]:
        for payload in event.get("activityTaskCompletedEventAttributes", {}).get("result", {}).get("payloads", ()):
            answer = json.loads(base64.b64decode(payload.get("data", "")) or "null")
            if isinstance(answer, dict) and "diagnosis" in answer:
                payload["data"] = base64.b64encode(json.dumps(change(answer)).encode()).decode()
    return history


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ({"Mode": "ShowOnly"}, ("", "")),
        ({"Mode": "ShowOnly", "Approval": "Ask"}, ("", "Approval")),
        ({"Mode": "ShowOnly", "Approval": "Ask", "MaintenanceWindow": "Wait"}, ("MaintenanceWindow", "Approval")),
    ],
)
async def test_the_guards_that_would_have_stopped_it_and_asked(effects, expected):
    guards = [{"name": name, "effect": effect, "reason": "x"} for name, effect in effects.items()]
    shown = await PlanReader(FakeClient(with_diagnoses(lambda answer: {**answer, "guards": guards}))).read("u1")
    assert (shown.stopped_by, shown.asked_by) == expected


async def test_a_plan_of_another_version_is_an_error():
    history = with_diagnoses(lambda _: {"plan": 3})
    with pytest.raises(InvalidIncident, match="the plan cannot be read"):
        await PlanReader(FakeClient(history)).read("u1")
