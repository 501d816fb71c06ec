"""Records of facts: complete, bounded, and without secrets."""

import pytest
from builders import a_pod, an_evidence
from fakes.kube import FakeKube
from fakes.objects import LONG_AGO, WEB, a_cluster, a_deployment, a_replica_set, a_template, at
from fakes.objects import a_pod as a_raw_pod

from prunella_operator.activities import Activities
from prunella_operator.activities.decision import decide
from prunella_operator.activities.recording import pack, unpack
from prunella_operator.reporting.recorded_incident import RecordedDiagnosis, RecordedIncident
from prunella_workflows.contracts.healing import DiagnoseRequest
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
TARGET = TargetRef(kind="Deployment", name="web")
CANARY = "c4naryQ7hX2mZ9wK5tR3"
CRASHED = {
    "restartCount": 3,
    "state": {"waiting": {"reason": "CrashLoopBackOff", "message": f"command --password {CANARY} failed"}},
    "lastState": {
        "terminated": {
            "reason": "OOMKilled",
            "exitCode": 137,
            "finishedAt": LONG_AGO,
            "message": f"api_key={CANARY}",
        }
    },
}


def a_request(description=""):
    spec = IncidentSpec(type=IncidentType.OOM_KILLED, target=TARGET, description=description)
    return DiagnoseRequest(incident=INCIDENT, spec=spec, opened_at=at(LONG_AGO), target=WEB)


def a_careless_cluster():
    """A cluster that has a secret in every place where people put one."""
    template = a_template(
        1,
        env=[{"name": "DB_PASSWORD", "value": CANARY}],
        annotations={"vault.example/token": CANARY, "kubectl.kubernetes.io/last-applied-configuration": CANARY},
    )
    deployment = a_deployment(
        template,
        annotations={"example.org/token": CANARY, "prunella.dev/last-change": f"token={CANARY}"},
        status={"availableReplicas": 1, "readyReplicas": 1},
    )
    pods = [a_raw_pod(ready_since=None, status=CRASHED)]
    kube = a_cluster(
        FakeKube(), deployment, [a_replica_set(1, template)], pods, labels={"prunella.dev/heal": "enabled"}
    )
    kube.put("/api/v1/namespaces/shop/secrets/token", {"data": {"token": CANARY}})
    event = {"involvedObject": {"kind": "Pod", "name": "web-a"}, "type": "Warning", "reason": "Failed"}
    kube.put("/api/v1/namespaces/shop/events/one", {**event, "message": f"Authorization: Bearer {CANARY}"})
    kube.texts["/api/v1/namespaces/shop/pods/web-a/log"] = f"connecting\nAWS_SECRET_ACCESS_KEY={CANARY}\n"
    return kube


def test_no_secret_enters_a_record_or_an_export():
    request = a_request(f"the password is password={CANARY}")
    report = Activities(a_careless_cluster(), 30.0, ()).diagnose(request)
    facts = unpack(report.record)
    assert facts.evidence.logs[0].lines == ("connecting", "AWS_SECRET_ACCESS_KEY=***")
    assert CANARY not in facts.model_dump_json()
    diagnosis = RecordedDiagnosis(at=at(LONG_AGO), request=request, facts=facts, report=report)
    exported = RecordedIncident(incident=INCIDENT, opened_at=at(LONG_AGO), diagnoses=(diagnosis,)).to_json()
    assert CANARY not in exported
    assert "the password is password=***" in exported


def test_the_recorded_facts_lead_to_the_decision_that_was_made():
    request = a_request()
    report = Activities(a_careless_cluster(), 30.0, ("prunella-system",)).diagnose(request)
    again = decide(request, unpack(report.record))
    assert report.plan.steps
    assert again == report.model_copy(update={"diff": "", "record": ""})


def test_a_record_is_bounded():
    pods = tuple(a_pod(f"web-2-{number}") for number in range(200))
    facts = Facts(evidence=an_evidence(*pods))
    record = pack(facts)
    assert len(record) < len(facts.model_dump_json(exclude_defaults=True)) / 8
    assert pack(facts, 0) == pack(facts, len(record) - 1) == ""
    few = Facts(evidence=an_evidence())
    assert pack(few, len(pack(few))) == pack(few)


def test_nothing_is_kept_where_the_setting_says_so():
    assert Activities(a_careless_cluster(), 30.0, (), record_bytes=0).diagnose(a_request()).record == ""
    assert unpack("") is None


@pytest.mark.parametrize("text", ["?", "AAAA", "eJwDAAAAAAE="])
def test_what_is_no_record_is_refused(text):
    with pytest.raises(ValueError, match="no record of facts"):
        unpack(text)
