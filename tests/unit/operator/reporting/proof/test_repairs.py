"""The repairer's own writes agree with the statements about its orders."""

import json
from datetime import timedelta

import pytest
from fakes.kube import FakeKube
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template, announced
from fakes.proof import an_event

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_operator.reporting.proof.exports import parse_export
from prunella_operator.reporting.proof.operations import makes
from prunella_operator.reporting.proof.statement import make_statements
from prunella_operator.reporting.proof.verification import verify
from prunella_operator.reporting.recorded_incident import RecordedIncident
from prunella_operator.reporting.recorded_orders import APPLIED, RecordedOrder, RecordedWork
from prunella_workflows.contracts.healing import RepairOrder, undo_id
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.plan import PodRef, Precondition, RaiseMaxReplicas, ResizePods, Scale, SetMemory

MI = 1 << 20
INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
ACTION = "uid-web-1-1"
REQUIRE = Precondition(uid=WEB.uid, template_hash=template_hash(a_template(1)))
MEMORY = {"target": WEB, "require": REQUIRE, "container": "app", "limit_from": 64 * MI, "limit_to": 128 * MI}
SCALER = Precondition(uid="uid-hpa")
ACTIONS = [
    SetMemory(**MEMORY),
    Scale(target=WEB, require=REQUIRE, replicas_from=2, replicas_to=4),
    RaiseMaxReplicas(target=WEB, require=SCALER, autoscaler="web", max_from=2, max_to=4),
    ResizePods(**MEMORY, pods=(PodRef(name="web-a", uid="uid-web-a"),)),
]


@pytest.fixture
def kube(request):
    labels = {"prunella.dev/heal": "enabled"}
    kube = a_cluster(FakeKube(), a_deployment(a_template(1)), [a_replica_set(1)], [a_pod("web-a")], labels=labels)
    naming = {"spec": {"actions": [action.kind for action in ACTIONS]}}
    kube.put(f"{paths.policies('shop')}/naming", naming)
    announced(kube, INCIDENT, ACTION)
    return kube


def with_autoscaler(kube):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    body = {"metadata": {"namespace": "shop", "uid": "uid-hpa"}, "spec": {"scaleTargetRef": target, "maxReplicas": 2}}
    kube.put(paths.autoscalers("shop", "web"), body, currentReplicas=2, desiredReplicas=2)


def recorded(kind, order, done):
    ended = done.written_at + timedelta(seconds=1)
    return RecordedOrder(kind, order, 0, done.written_at, ended, APPLIED, repaired=done)


def logged(kube, moment):
    """The writes that the fake API server got, as a real one logs them."""
    for number, (verb, path, body) in enumerate(kube.writes):
        group = path.split("/")[2] if path.startswith("/apis/") else ""
        *_, namespace, resource, name = path.removesuffix("/resize").split("/")
        ref = {"apiGroup": group, "resource": resource, "namespace": namespace, "name": name}
        times = dict.fromkeys(("requestReceivedTimestamp", "stageTimestamp"), moment.isoformat())
        yield an_event(
            number, path, body, verb=verb.removeprefix("json_").removeprefix("merge_"), objectRef=ref, **times
        )


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.kind)
def test_a_repair_and_its_undo(kube, tmp_path, action):
    if isinstance(action, RaiseMaxReplicas):
        with_autoscaler(kube)
    repairer = Repairer(kube, EvidenceCollector(kube, 30), ("prunella-system",))
    order = RepairOrder(incident=INCIDENT, action_id=ACTION, action=action)
    done = repairer.repair(order)
    undo = RepairOrder(incident=INCIDENT, action_id=undo_id(ACTION), action=done.undo)
    undone = repairer.undo(undo)
    made = make_statements(
        INCIDENT, [], RecordedWork((recorded("repair", order, done), recorded("undo", undo, undone)), ())
    )
    export = RecordedIncident(incident=INCIDENT, opened_at=done.written_at, statements=made)
    log = tmp_path / "audit.log"
    log.write_text("".join(json.dumps(event) + "\n" for event in logged(kube, done.written_at)))
    proof = verify([parse_export(export.to_json(), "one.json")], [log])
    assert {finding.message for finding in proof.findings} == {"the export has no diagnosis 0"}
    assert proof.writes == (4 if isinstance(action, ResizePods) else 2)
    assert all(statement["patch"] for statement in made)
    first, second = (body for verb, path, body in kube.writes if path == made[0]["intent"]["path"])
    assert makes(action, first)
    assert makes(done.undo, second)
    assert makes(action, second) == isinstance(action, ResizePods), "which writes marks only, and its pods"
