"""Telemetry as evidence: what is read of the workload, and of the one from which its anomalies come."""

from datetime import timedelta

import pytest
from builders import NOW as BUILT_AT
from builders import a_service, a_spec, a_telemetry, ago, an_anomaly
from fakes.kube import FakeKube, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.model.errors import Forbidden, Unavailable
from prunella_workflows.model.labels import FAULT, FAULT_AT, OPENED_BY_ALERT
from prunella_workflows.model.workload import WorkloadRef

DB = WorkloadRef(kind="Deployment", namespace="data", name="db", uid="uid-db")
FROM_DB = an_anomaly(origin=a_service("db", namespace="data"))
OWN_OF_DB = an_anomaly(
    subject=a_service("db", namespace="data"), origin=a_service("db", namespace="data"), share=0.3, requests=90
)


class Views:
    """Telemetry by the name of the workload; an error is raised."""

    def __init__(self, **views):
        self.views = views
        self.read_of = []

    def read(self, workload):
        self.read_of.append(str(workload))
        found = self.views.get(workload.name)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.fixture(autouse=True)
def moment(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: BUILT_AT)


@pytest.fixture
def kube():
    found = a_cluster(FakeKube(), a_deployment(a_template(1)), [a_replica_set(1)], [a_pod("web-a")])
    other = a_deployment(a_template(1))
    other["metadata"] |= {"name": "db", "namespace": "data", "uid": "uid-db"}
    found.put(paths.workload(DB), other)
    return found


def evidence(kube, views, *, full=True, **values):
    return EvidenceCollector(kube, 30.0, telemetry=views).evidence(WEB, a_spec(), ago(60), full=full, **values)


def test_the_view_of_the_workload(kube):
    assert evidence(kube, Views(web=a_telemetry())).telemetry == a_telemetry()


def test_without_telemetry_nothing_changes(kube):
    found = EvidenceCollector(kube, 30.0).evidence(WEB, a_spec(), ago(60), full=True)
    assert found.telemetry is None
    assert found.dependencies == ()


def test_a_database_that_is_away_ends_no_diagnosis(kube):
    assert evidence(kube, Views(web=Unavailable("no answer"))).telemetry is None


def test_the_origin_is_read_from_the_cluster_and_from_its_own_telemetry(kube):
    found = evidence(kube, Views(web=a_telemetry(FROM_DB), db=a_telemetry(OWN_OF_DB)))
    (view,) = found.dependencies
    assert (view.ref.namespace, str(view.ref), view.known_by) == ("data", "Deployment/db", "by traces")
    assert "30.0% of 90 requests fail" in view.anomaly


def test_an_origin_whose_own_telemetry_is_calm(kube):
    (view,) = evidence(kube, Views(web=a_telemetry(FROM_DB), db=a_telemetry())).dependencies
    assert view.anomaly == ""


@pytest.mark.parametrize(
    "origin",
    [
        a_service("gone", namespace="data"),
        a_service("db", namespace="../../kube-system"),
        a_service("db", namespace=""),
        a_service("db", kind="Secret"),
        a_service("payments.example.org", kind="", workload="", namespace=""),
    ],
)
def test_an_origin_that_is_no_workload_of_the_cluster(kube, origin):
    assert evidence(kube, Views(web=a_telemetry(an_anomaly(origin=origin)))).dependencies == ()


def test_the_incidents_of_the_origins_namespace_are_read(kube):
    kube.put(paths.incidents("data", "db-1"), an_incident("db-1", "data", "Deployment/db"))
    found = evidence(kube, Views(web=a_telemetry(FROM_DB), db=a_telemetry(OWN_OF_DB)))
    assert [incident.name for incident in found.incidents] == ["db-1"]


def an_incident(name, namespace, target, **annotations):
    kind, _, workload = target.partition("/")
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": f"uid-{name}",
            "creationTimestamp": (BUILT_AT - timedelta(seconds=60)).isoformat(),
            "labels": {"prunella.dev/source": "alerts", "prunella.dev/workload": workload_key(WEB)},
            "annotations": annotations,
        },
        "spec": {"type": "Unavailable", "target": {"apiVersion": "apps/v1", "kind": kind, "name": workload}},
    }


def test_a_namespace_that_may_not_be_read_ends_no_diagnosis(kube):
    kube.put(paths.incidents("data", "db-1"), an_incident("db-1", "data", "Deployment/db"))
    kube.before = failing(Forbidden("incidents"), part="/namespaces/data/incidents", times=9)
    found = evidence(kube, Views(web=a_telemetry(FROM_DB), db=a_telemetry(OWN_OF_DB)))
    assert found.incidents == ()


def test_a_confirmation_reads_it_only_for_an_alert(kube):
    views = Views(web=a_telemetry())
    assert evidence(kube, views, full=False).telemetry is None
    assert views.read_of == []
    marks = {FAULT: "digest", OPENED_BY_ALERT: "f1", FAULT_AT: ago(100).isoformat()}
    incident = an_incident("web-1", "shop", "Deployment/web", **marks)
    kube.put(paths.incidents("shop", "web-1"), incident)
    assert evidence(kube, views, full=False, name="web-1").telemetry == a_telemetry()
