"""Recorded incidents in the histories of workflows."""

import base64
import json
from pathlib import Path

import pytest
from builders import an_evidence
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_operator.activities.recording import pack
from prunella_operator.reporting.recorded_histories import of_incident, opened_since, parse_history
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.incident_status import Phase

HISTORY = Path(__file__).parents[3] / "workflow" / "histories" / "healings" / "healed-at-the-second-attempt.json"


def a_history(record=""):
    """The recorded history; its diagnoses have this record."""
    value = json.loads(HISTORY.read_text(encoding="utf-8"))
    for event in value["events"]:
        for payload in event.get("activityTaskCompletedEventAttributes", {}).get("result", {}).get("payloads", ()):
            answer = json.loads(base64.b64decode(payload.get("data", "")) or "null")
            if isinstance(answer, dict) and "diagnosis" in answer:
                payload["data"] = base64.b64encode(json.dumps({**answer, "record": record}).encode()).decode()
    return WorkflowHistory.from_json("incident-uid-incident", value)


async def test_each_diagnosis_comes_with_its_request_and_facts():
    facts = Facts(evidence=an_evidence())
    incident = await parse_history(pydantic_data_converter, a_history(pack(facts)))
    assert str(incident) == "shop/web-oom"
    assert [diagnosis.facts for diagnosis in incident.diagnoses] == [facts] * 3
    assert [len(diagnosis.request.tried) for diagnosis in incident.diagnoses] == [0, 0, 1]
    assert {diagnosis.report.record for diagnosis in incident.diagnoses} == {""}
    assert incident.status.phase is Phase.HEALED


async def test_a_history_from_before_there_were_records_has_decisions_only():
    incident = await parse_history(pydantic_data_converter, a_history())
    assert [diagnosis.facts for diagnosis in incident.diagnoses] == [None] * 3


async def test_a_record_that_cannot_be_read_is_an_error_that_names_the_incident():
    with pytest.raises(InvalidIncident, match="shop/web-oom: this is no record of facts"):
        await parse_history(pydantic_data_converter, a_history("AAAA"))


async def test_an_incident_under_way_has_no_end():
    history = a_history()
    open_history = WorkflowHistory(history.workflow_id, history.events[:-1])
    incident = await parse_history(pydantic_data_converter, open_history)
    assert incident.status is None
    assert len(incident.diagnoses) == 3


def test_queries(monkeypatch):
    assert of_incident("u1") == "WorkflowId = 'incident-u1'"
    since = an_evidence().read_at
    assert opened_since(since) == "WorkflowType = 'SelfHealing' AND StartTime >= '2026-03-04T12:00:00Z'"
