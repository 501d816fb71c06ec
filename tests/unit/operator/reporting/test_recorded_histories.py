"""Recorded incidents in the histories of workflows."""

import base64
import json
from pathlib import Path

import pytest
from builders import an_evidence
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_operator.activities.recording import pack
from prunella_operator.kubernetes.digest import digest
from prunella_operator.reporting.proof.statement import Statement
from prunella_operator.reporting.recorded_histories import of_incident, opened_since, parse_history
from prunella_operator.reporting.recorded_incident import parse_recorded
from prunella_workflows.model.errors import InvalidIncident
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.policy import PolicyLayer, PolicySpec

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


async def test_each_order_has_a_statement():
    incident = await parse_history(pydantic_data_converter, a_history(pack(Facts(evidence=an_evidence()))))
    statements = [Statement.model_validate(value) for value in incident.statements]
    assert [(one.order, one.action_id[-6:], one.diagnosis, one.outcome, one.verdict) for one in statements] == [
        ("repair", "59d8-1", 1, "ChangedSince", "NotApplied"),
        ("repair", "59d8-2", 2, "Applied", "NotHealed"),
        ("undo", "2-undo", 2, "Applied", ""),
        ("repair", "59d8-3", 3, "Applied", "Healed"),
    ]
    first, second, *_ = statements
    assert first.intent.path == "/apis/apps/v1/namespaces/shop/deployments/web"
    assert (first.written_at, second.worker, second.undone) == (None, "prunella-test", True)
    assert first.ordered_at < first.ended_at < second.ordered_at


async def test_a_statement_names_the_facts_and_the_policies_as_they_are_exported():
    layer = PolicyLayer(source="HealingPolicy/shop", rank=1, spec=PolicySpec())
    incident = await parse_history(
        pydantic_data_converter, a_history(pack(Facts(evidence=an_evidence(), policies=(layer,))))
    )
    exported = json.loads(incident.to_json())
    facts = exported["diagnoses"][0]["facts"]
    assert {one["evidence"] for one in exported["statements"]} == {digest(facts)}
    assert {one["policies"] for one in exported["statements"]} == {digest(facts["policies"])}


async def test_without_facts_a_statement_names_none():
    incident = await parse_history(pydantic_data_converter, a_history())
    assert {(one["evidence"], one["policies"]) for one in incident.statements} == {("", "")}


async def test_statements_are_read_as_they_were_exported():
    incident = await parse_history(pydantic_data_converter, a_history())
    assert parse_recorded(incident.to_json(), "one.json").statements == incident.statements


def test_queries(monkeypatch):
    assert of_incident("u1") == "WorkflowId = 'incident-u1'"
    since = an_evidence().read_at
    assert opened_since(since) == "WorkflowType = 'SelfHealing' AND StartTime >= '2026-03-04T12:00:00Z'"
