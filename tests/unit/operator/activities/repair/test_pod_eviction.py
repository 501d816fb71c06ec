"""Pods in a long back-off are evicted by their uid, through the API that respects disruption budgets."""

import pytest
from fakes.kube import FakeKube, failing
from fakes.objects import LONG_AGO, WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template, announced

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model.errors import Forbidden, Unavailable
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.labels import LAST_ACTION
from prunella_workflows.model.plan import EvictPods, PodRef, Precondition

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
PODS = ("web-a", "web-b")
ORDER = RepairOrder(
    incident=INCIDENT,
    action_id="uid-web-1-1",
    action=EvictPods(
        target=WEB,
        require=Precondition(uid=WEB.uid, template_hash=template_hash(a_template(1))),
        pods=tuple(PodRef(name=name, uid=f"uid-{name}") for name in PODS),
    ),
)


@pytest.fixture
def kube():
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 6, "ready": False}
    pods = [a_pod(name, ready_since=None, status=waiting) for name in PODS]
    labels = {"prunella.dev/heal": "enabled"}
    kube = a_cluster(FakeKube(), a_deployment(a_template(1)), [a_replica_set(1)], pods, labels=labels)
    announced(kube, INCIDENT, ORDER.action_id)
    return kube


@pytest.fixture
def repairer(kube):
    return Repairer(kube, EvidenceCollector(kube, 30), ("prunella-system",))


def evicted(kube):
    """The uids of the evicted pods, by the path that was posted to: the fake appends the name of what it creates."""
    made = kube.of("create")
    return {path.rpartition("/")[0]: body["deleteOptions"]["preconditions"]["uid"] for _, path, body in made}


def test_the_workload_is_marked_and_each_pod_evicted_by_its_uid(repairer, kube):
    done = repairer.repair(ORDER)
    live = kube.objects[paths.workload(WEB)]
    assert (live["metadata"]["annotations"][LAST_ACTION], live["spec"]["template"]) == ("uid-web-1-1", a_template(1))
    assert evicted(kube) == {f"{paths.core('shop', 'pods', name)}/eviction": f"uid-{name}" for name in PODS}
    assert done.undo is None


@pytest.mark.parametrize("ready_since", [LONG_AGO, None], ids=["ready", "running, not ready yet"])
def test_a_pod_that_has_started_by_now_is_spared(repairer, kube, ready_since):
    kube.put(paths.core("shop", "pods", "web-a"), a_pod("web-a", ready_since=ready_since))
    repairer.repair(ORDER)
    assert list(evicted(kube).values()) == ["uid-web-b"]


def test_a_pod_that_a_budget_keeps_is_left_to_its_back_off(repairer, kube):
    kube.before = failing(Unavailable("Cannot evict pod: it would violate the budget"), part="web-a/eviction")
    repairer.repair(ORDER)
    assert list(evicted(kube).values()) == ["uid-web-b"]


def test_a_missing_right_is_an_error(repairer, kube):
    kube.before = failing(Forbidden("cannot create pods/eviction"), part="web-a/eviction")
    with pytest.raises(Forbidden):
        repairer.repair(ORDER)
