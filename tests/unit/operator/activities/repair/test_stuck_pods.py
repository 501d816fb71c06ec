"""Pods that are deleted after an undo, so that their StatefulSet goes on. An e2e test shows that it does."""

import pytest
from fakes.kube import FakeKube
from fakes.objects import LONG_AGO, WEB, a_cluster, a_deployment, a_pod, a_template, owned_by

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair import stuck_pods
from prunella_operator.activities.repair.stuck_pods import delete, pods_stuck_after_undo
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import REVISION_HASH, template_hash
from prunella_workflows.model.plan import PodRef, Precondition, SetMemory

STATEFUL = WEB.model_copy(update={"kind": "StatefulSet"})
RAISED = a_template(1, memory="128Mi")
OWNER = owned_by("apps/v1", "StatefulSet", "web", WEB.uid)
CRASHED = {
    "ready": False,
    "state": {"waiting": {"reason": "CrashLoopBackOff"}},
    "lastState": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": LONG_AGO}},
}


def revision(name, number, template):
    meta = {
        "name": name,
        "namespace": "shop",
        "uid": f"uid-{name}",
        "ownerReferences": [OWNER],
        "labels": {"app": "web"},
    }
    return {"metadata": meta, "revision": number, "data": {"spec": {"template": template}}}


def pod(name, label, *, broken):
    made = a_pod(name, owner=OWNER, ready_since=None if broken else LONG_AGO, status=CRASHED if broken else None)
    made["metadata"]["labels"] = {"app": "web", REVISION_HASH: label}
    return made


def undo(ref, template):
    require = Precondition(uid=WEB.uid, template_hash=template_hash(template))
    return SetMemory(target=ref, require=require, container="app", limit_from=128 << 20, limit_to=64 << 20)


@pytest.fixture
def kube():
    workload = {**a_deployment(a_template(1)), "kind": "StatefulSet"}
    pods = [pod("web-0", "web-old", broken=False), pod("web-1", "web-new", broken=True)]
    pods += [pod("web-2", "web-new", broken=False), pod("web-3", "web-old", broken=True)]
    kube = a_cluster(FakeKube(), workload, pods=pods)
    kube.put(paths.workload(STATEFUL), workload)
    for name, number, template in (("web-old", 1, a_template(1)), ("web-new", 2, RAISED)):
        kube.put(paths.snapshots("shop", name), revision(name, number, template))
    return kube


@pytest.fixture
def collector(kube):
    return EvidenceCollector(kube, 30)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """A ready pod is left to its StatefulSet after a moment."""
    monkeypatch.setattr(stuck_pods, "_READY_LIMIT_SECONDS", 0.05)
    monkeypatch.setattr(stuck_pods, "_INTERVAL_SECONDS", 0.01)


def test_a_pod_that_is_ready_between_two_crashes_is_deleted():
    ready, broken = (pod("web-0", "n", broken=broken) for broken in (False, True))
    kube, path = a_cluster(FakeKube(), pods=[ready]), paths.core("shop", "pods", "web-0")
    kube.before = lambda *_: kube.put(path, broken) if len(kube.requests) == 2 else None
    delete(kube, "shop", [PodRef(name="web-0", uid="uid-web-0")])
    assert [path for _, path, _ in kube.of("delete")] == [path]


def test_a_pod_that_becomes_ready_right_before_its_deletion_is_left():
    ready, broken = (pod("web-0", "n", broken=broken) for broken in (False, True))
    kube, path = a_cluster(FakeKube(), pods=[broken]), paths.core("shop", "pods", "web-0")
    kube.before = lambda method, _: kube.put(path, ready) if method == "DELETE" else None
    delete(kube, "shop", [PodRef(name="web-0", uid="uid-web-0")])
    assert kube.of("delete") == []


def test_each_pod_is_looked_at_once_more_before_it_is_deleted():
    broken, ready, replaced = (
        pod("web-0", "n", broken=True),
        pod("web-1", "n", broken=False),
        pod("web-2", "n", broken=True),
    )
    kube = a_cluster(FakeKube(), pods=[broken, ready, replaced])
    uids = {"web-0": "uid-web-0", "web-1": "uid-web-1", "web-2": "uid-before", "web-3": "uid-gone"}
    delete(kube, "shop", [PodRef(name=name, uid=uid) for name, uid in uids.items()])
    assert [path for _, path, _ in kube.of("delete")] == [paths.core("shop", "pods", "web-0")]


def test_only_broken_pods_of_the_template_that_was_undone(collector):
    assert [(stuck.name, stuck.uid) for stuck in pods_stuck_after_undo(collector, undo(STATEFUL, RAISED))] == [
        ("web-1", "uid-web-1")
    ]


def test_one_that_is_ready_between_two_crashes_counts_too(collector, kube):
    recovered = pod("web-1", "web-new", broken=True)
    recovered["status"]["conditions"] = pod("web-1", "web-new", broken=False)["status"]["conditions"]
    kube.put(paths.core("shop", "pods", "web-1"), recovered)
    assert [stuck.name for stuck in pods_stuck_after_undo(collector, undo(STATEFUL, RAISED))] == ["web-1"]


def test_a_deployment_replaces_its_pods_itself(collector):
    assert pods_stuck_after_undo(collector, undo(WEB, RAISED)) == ()


def test_a_stateful_set_that_is_gone_needs_nothing(collector):
    assert pods_stuck_after_undo(collector, undo(STATEFUL.model_copy(update={"uid": "another"}), RAISED)) == ()
