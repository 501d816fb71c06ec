"""`prunella uninstall` removes what Prunella left and keeps everything else."""

import copy

import pytest
from builders import NOW
from fakes.kube import FakeKube, failing

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.track_records import TrackRecords, name_of
from prunella_operator.kubernetes.views import revisions
from prunella_workflows.model import labels
from prunella_workflows.model.autonomy import Trial
from prunella_workflows.model.errors import Conflict, Forbidden
from prunella_workflows.model.workload import WorkloadRef

WEB = f"{paths.collection('Deployment', 'shop')}/web"
HPA = paths.autoscalers("shop", "web")
INCIDENT = paths.incidents("shop", "web-1")
SNAPSHOT = paths.snapshots("shop", "web-prunella-1")
REF = WorkloadRef(kind="Deployment", namespace="shop", name="web")
RECORD = paths.track_records("prunella-records", name_of(REF))
LEASE = paths.leases("prunella-system", "prunella-operator")
MARKS = {
    labels.LAST_ACTION: "uid-1",
    labels.LAST_ACTION_AT: "2026-11-24T12:00:00+00:00",
    labels.BEFORE: "web-prunella-1",
    labels.AFTER: "2",
}
OWN = {"prunella.dev/depends-on": "Deployment/db", "example.org/team": "shop"}


@pytest.fixture
def kube(monkeypatch):
    fake = FakeKube()
    monkeypatch.setattr(SyncClient, "connect", lambda _settings: fake)
    marked = {"namespace": "shop", "annotations": {**MARKS, **OWN}, "labels": {"prunella.dev/ignore": "true"}}
    fake.put(WEB, {"metadata": marked, "spec": {"replicas": 2}})
    fake.put(HPA, {"metadata": {"namespace": "shop", "annotations": MARKS}})
    fake.put(f"{paths.collection('Deployment', 'shop')}/untouched", {"metadata": {"namespace": "shop"}})
    notes = {"kopf.prunella.dev/last-handled-configuration": "{}", labels.REPAIR_SLOTS: "{}", labels.CANCEL: "true"}
    meta = {
        "namespace": "shop",
        "annotations": notes,
        "labels": {labels.REPAIR_SLOT: "requested", labels.WORKLOAD: "web"},
    }
    waits = ["prunella.dev/unused", "example.org/backup"]
    fake.put(INCIDENT, {"metadata": {**meta, "finalizers": waits}}, phase="Escalated")
    snapshot = revisions.snapshot({"metadata": {}, "spec": {"template": {}}}, REF, revisions.KNOWN_GOOD)
    snapshot["metadata"] |= {"namespace": "shop", "name": "web-prunella-1"}
    fake.put(SNAPSHOT, snapshot)
    fake.put(paths.snapshots("shop", "db-5d4f"), {"metadata": {"namespace": "shop"}, "data": {}})
    TrackRecords(fake).add(REF, [Trial(id="t1", action="Restart", succeeded=True, at=NOW)])
    fake.objects[RECORD]["metadata"]["namespace"] = "prunella-records"
    fake.put(paths.track_records("prunella-records", "kube-root-ca.crt"), {"metadata": {}, "data": {}})
    fake.writes.clear()
    fake.put(LEASE, {"metadata": {"namespace": "prunella-system"}, "spec": {}})
    return fake


def test_without_yes_leftovers_are_only_listed(prunella, kube):
    before = copy.deepcopy(kube.objects)
    result = prunella("uninstall")
    assert result.exit_code == 0
    assert "Deployment shop/web: annotations" in result.stdout
    assert "Incident shop/web-1: annotations, labels, finalizers" in result.stdout
    assert "6 objects to clean up" in result.stdout
    assert kube.objects == before
    assert kube.writes == []


def test_only_our_keys_are_removed(prunella, kube):
    before = copy.deepcopy(kube.objects)
    result = prunella("uninstall", "--yes")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "6 objects cleaned up")
    web, incident = kube.objects[WEB], kube.objects[INCIDENT]
    assert web["metadata"]["annotations"] == OWN
    assert web["metadata"]["labels"] == {"prunella.dev/ignore": "true"}
    assert web["metadata"]["generation"] == before[WEB]["metadata"]["generation"]
    assert web["spec"] == before[WEB]["spec"]
    assert kube.objects[HPA]["metadata"]["annotations"] == {}
    assert incident["metadata"]["finalizers"] == ["example.org/backup"]
    assert incident["metadata"]["annotations"] == {labels.CANCEL: "true"}
    assert incident["metadata"]["labels"] == {labels.WORKLOAD: "web"}
    assert incident["status"] == {"phase": "Escalated"}
    assert set(before) - set(kube.objects) == {SNAPSHOT, RECORD, LEASE}


def test_a_second_run_finds_nothing(prunella, kube):
    prunella("uninstall", "--yes")
    assert prunella("uninstall").stdout == "nothing to clean up\n"
    assert prunella("uninstall", "--yes").stdout == "0 objects cleaned up\n"


def test_only_in_some_namespaces(prunella, kube):
    kube.put(f"{paths.collection('Deployment', 'billing')}/api", {"metadata": {"namespace": "billing"} | marks()})
    prunella("uninstall", "--yes", "--namespaces", "billing")
    assert not kube.objects[f"{paths.collection('Deployment', 'billing')}/api"]["metadata"]["annotations"]
    assert MARKS.items() <= kube.objects[WEB]["metadata"]["annotations"].items()


def marks():
    return {"annotations": dict(MARKS)}


@pytest.mark.parametrize("error", [Forbidden("may not patch deployments"), Conflict("modified")])
def test_a_failure_is_reported_and_the_rest_continues(prunella, kube, error):
    kube.before = failing(error, method="PATCH", part="/deployments/web")
    result = prunella("uninstall", "--yes")
    assert result.exit_code == 1
    message = "the object has changed: run this again" if isinstance(error, Conflict) else "may not patch deployments"
    assert f"Deployment shop/web: annotations - {message}" in result.stdout
    assert result.stdout.splitlines()[-1] == "5 objects cleaned up, 1 failed"
    assert prunella("uninstall", "--yes").exit_code == 0
    assert kube.objects[WEB]["metadata"]["annotations"] == OWN


def test_when_the_crds_are_gone_the_rest_is_cleaned(prunella, kube):
    for path in [obj for obj in kube.objects if "prunella.dev" in obj]:
        del kube.objects[path]
    result = prunella("uninstall", "--yes")
    assert (result.exit_code, result.stdout.splitlines()[-1]) == (0, "5 objects cleaned up")
