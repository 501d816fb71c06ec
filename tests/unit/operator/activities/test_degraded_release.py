"""A release that is ready and serves badly, from the sighting to the verdict, on an API server in memory."""

from datetime import timedelta

import pytest
from builders import a_telemetry, an_anomaly
from fakes.kube import FakeKube
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_snapshot, a_template

from prunella_operator import clock
from prunella_operator.activities import Activities
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.contracts.healing import ConfirmRequest, DiagnoseRequest, RepairOrder, VerifyRequest
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.labels import FAULT, FAULT_AT, HEAL, OPENED_BY_ALERT, SOURCE, WORKLOAD
from prunella_workflows.model.outcome import Cause, Presence, Verdict

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
SPEC = IncidentSpec(type=IncidentType.UNAVAILABLE, target=TargetRef(kind="Deployment", name="web"))
PODS = ("web-a", "web-b")


def ago(seconds):
    return clock.now() - timedelta(seconds=seconds)


class Telemetry:
    """The view of web that the pipeline has stored."""

    view = None

    def read(self, workload):
        assert str(workload) == "Deployment/web"
        return self.view


@pytest.fixture
def telemetry():
    source = Telemetry()
    uids = tuple(f"uid-{name}" for name in PODS)
    source.view = a_telemetry(an_anomaly(since=ago(100), pod_uids=uids), read_to=ago(15))
    return source


@pytest.fixture
def kube():
    """Release 2 of web was rolled out two minutes ago, its pods are ready, and release 1 is known to be good."""
    found = a_cluster(
        FakeKube(),
        a_deployment(a_template(2)),
        [a_replica_set(1), a_replica_set(2, creationTimestamp=ago(120).isoformat())],
        [a_pod(name, 2, ready_since=ago(110).isoformat()) for name in PODS],
        snapshots=[a_snapshot(a_template(1), good_at=ago(7200))],
        labels={HEAL: "enabled"},
    )
    found.put(paths.incidents("shop", "web-1"), an_incident(), phase="Confirming")
    return found


def an_incident():
    annotations = {FAULT: "digest", OPENED_BY_ALERT: "f1", FAULT_AT: ago(100).isoformat()}
    return {
        "metadata": {
            "name": "web-1",
            "namespace": "shop",
            "uid": INCIDENT.uid,
            "creationTimestamp": ago(60).isoformat(),
            "labels": {SOURCE: "alerts", WORKLOAD: workload_key(WEB)},
            "annotations": annotations,
        },
        "spec": SPEC.to_object(),
    }


@pytest.fixture
def activities(kube, telemetry):
    return Activities(kube, 30.0, (), telemetry=telemetry)


def repaired(activities, kube, step):
    """The step, once the incident's status announces it."""
    kube.put(paths.incidents("shop", "web-1"), an_incident(), phase="Repairing", attempts=[{"actionId": "a-1"}])
    return activities.repair(RepairOrder(incident=INCIDENT, action_id="a-1", action=step.action))


def confirmed(activities):
    return activities.confirm(ConfirmRequest(incident=INCIDENT, spec=SPEC, opened_at=ago(60))).sighting


def diagnosed(activities):
    return activities.diagnose(DiagnoseRequest(incident=INCIDENT, spec=SPEC, opened_at=ago(60), target=WEB))


def test_it_is_confirmed_at_once_and_rolled_back(activities, kube):
    sighting = confirmed(activities)
    assert (sighting.presence, sighting.reason) == (Presence.FAILING, "AnomalyPersists")
    report = diagnosed(activities)
    assert report.diagnosis.cause is Cause.BAD_RELEASE
    assert [guard.reason for guard in report.guards if guard.held] == []
    assert any(note.source == "Telemetry" and "requests fail" in note.message for note in report.evidence)
    (step,) = report.plan.steps
    done = repaired(activities, kube, step)
    image = kube.get(paths.workload(WEB))["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image == "registry.example/web:1"
    assert done.undo is not None


def test_without_telemetry_the_same_pods_are_well(kube):
    activities = Activities(kube, 30.0, ())
    assert confirmed(activities).reason == "AlertStillFiring"
    report = diagnosed(activities)
    assert (report.diagnosis.cause, report.plan.steps, report.plan.reason) == (Cause.UNKNOWN, (), "AlertStillFiring")


@pytest.mark.parametrize(
    ("view", "verdict"),
    [
        (a_telemetry(read_to=ago(0)), Verdict.HEALED),
        (a_telemetry(read_to=ago(0), error_share=0.4), Verdict.NOT_HEALED),
        (None, Verdict.INCONCLUSIVE),
    ],
    ids=["at the baseline", "still high", "no data"],
)
def test_telemetry_decides_whether_it_helped(activities, telemetry, kube, view, verdict):
    report = diagnosed(activities)
    (step,) = report.plan.steps
    done = repaired(activities, kube, step)
    roll_out(kube)
    telemetry.view = view and view.model_copy(update={"read_to": ago(5)})
    judgement = activities.verify(
        VerifyRequest(
            target=WEB,
            action=step.action,
            action_id="a-1",
            template_hash=done.template_hash,
            written_at=ago(900),
            settle=step.settle,
        )
    )
    assert judgement.verdict is verdict, judgement


def roll_out(kube):
    """The pods of release 1 have been ready for 10 minutes."""
    for name in PODS:
        kube.delete(paths.core("shop", "pods", name))
        pod = a_pod(f"{name}-1", 1, ready_since=ago(600).isoformat(), creationTimestamp=ago(610).isoformat())
        kube.put(paths.core("shop", "pods", f"{name}-1"), pod)
    deployment = kube.get(paths.workload(WEB))
    deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = "3"
    deployment["status"]["observedGeneration"] = deployment["metadata"]["generation"]
    kube.put(paths.workload(WEB), deployment)
