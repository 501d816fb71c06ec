"""Dependencies of a workload, and other explanations of its fault."""

import pytest
from fakes.kube import FakeKube, failing
from fakes.objects import (
    LONG_AGO,
    WEB,
    a_cluster,
    a_deployment,
    a_pod,
    a_replica_set,
    a_snapshot,
    a_template,
    at,
    owned_by,
)

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_workflows.model.errors import Forbidden
from prunella_workflows.model.incident import IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.incident_status import Phase

OPENED = at(LONG_AGO)
PODS = "/api/v1/namespaces/shop/pods"
NODES = "/api/v1/nodes"
LOG = f"{PODS}/web-a/log"
ENDED = {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": LONG_AGO}}
CRASHED = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ENDED}
NO_SECRET = {"state": {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "token" not found'}}}
WORDS = "connecting\nFATAL: cannot reach 10.96.3.4:8080 with password=hunter2secret"


def a_workload(name, kind="Deployment", replicas=2, available=0):
    body = a_deployment(a_template(labels={"app": name}), replicas=replicas)
    counts = {"replicas": replicas, "availableReplicas": available, "readyReplicas": available}
    body["status"] |= counts
    meta = {**body["metadata"], "name": name, "uid": f"uid-{name}"}
    spec = {**body["spec"], "selector": {"matchLabels": {"app": name}}}
    return {**body, "kind": kind, "metadata": meta, "spec": spec}


def put_workload(kube, name, kind="Deployment", **values):
    kube.put(f"{paths.collection(kind, 'shop')}/{name}", a_workload(name, kind, **values))


def put_service(kube, name="ledger", **spec):
    values = {"clusterIP": "10.96.3.4", "selector": {"app": name}, "ports": [{"port": 8080}], **spec}
    kube.put(f"/api/v1/namespaces/shop/services/{name}", {"metadata": {"namespace": "shop"}, "spec": values})


def put_pod(kube, name, app, **values):
    pod = a_pod(name, **values)
    pod["metadata"]["labels"] = {**pod["metadata"]["labels"], "app": app}
    kube.put(f"{PODS}/{name}", pod)


@pytest.fixture
def kube():
    kube = a_cluster(FakeKube(), replica_sets=[a_replica_set(1)], pods=[a_pod(ready_since=None, status=CRASHED)])
    kube.texts[LOG] = WORDS
    put_workload(kube, "ledger")
    put_service(kube)
    return kube


def evidence_of(kube, *, full=True, **values):
    spec = IncidentSpec(type=IncidentType.POD_CRASH_LOOP, target=TargetRef(kind="Deployment", name="web"))
    return EvidenceCollector(kube, stable_for=30).evidence(WEB, spec, OPENED, full=full, name="web-1", **values)


def known(kube):
    return [
        (str(dependency.ref), dependency.service, dependency.wanted, dependency.available)
        for dependency in evidence_of(kube).dependencies
    ]


# Dependencies


def test_the_workload_behind_the_service_that_the_log_names(kube):
    assert known(kube) == [("Deployment/ledger", "ledger", 2, 0)]
    (found,) = evidence_of(kube).dependencies
    assert found.known_by == "the log of container app names Service ledger"


def test_only_redacted_words_leave(kube):
    text = evidence_of(kube).model_dump_json()
    assert "hunter2secret" not in text
    assert "cannot reach 10.96.3.4:8080" in text


def test_values_of_the_environment_are_compared_and_do_not_leave(kube):
    template = a_template(env=[{"name": "LEDGER_URL", "value": "http://ledger:8080/some-words-of-the-owner"}])
    kube.put(paths.workload(WEB), a_deployment(template))
    kube.texts[LOG] = "cannot reach LEDGER_URL"
    assert known(kube) == [("Deployment/ledger", "ledger", 2, 0)]
    assert "some-words-of-the-owner" not in evidence_of(kube).model_dump_json()


def test_a_termination_message_counts(kube):
    kube.texts.clear()
    said = {**CRASHED, "lastState": {"terminated": {**ENDED["terminated"], "message": "ledger.shop:8080 refuses"}}}
    put_pod(kube, "web-a", "web", ready_since=None, status=said)
    assert [dependency.known_by for dependency in evidence_of(kube).dependencies] == [
        "the termination message of container app names Service ledger"
    ]


def test_what_the_kubelet_says_of_a_probe_counts(kube):
    kube.texts.clear()
    kube.put(
        "/api/v1/namespaces/shop/events/one",
        {
            "type": "Warning",
            "reason": "Unhealthy",
            "message": "Readiness probe failed: http://ledger:8080 is down",
            "involvedObject": {"name": "web-a"},
        },
    )
    assert [dependency.service for dependency in evidence_of(kube).dependencies] == ["ledger"]


def test_a_pod_that_is_just_not_ready_is_heard_as_it_runs(kube):
    put_pod(kube, "web-a", "web", ready_since=None)
    asked = []
    kube.text = lambda path, **params: asked.append(params) or "ledger:8080 is down"
    assert known(kube) == [("Deployment/ledger", "ledger", 2, 0)]
    assert [query.get("previous") for query in asked] == [None]


def test_a_container_that_has_just_ended_is_heard_in_its_last_run(kube):
    put_pod(kube, "web-a", "web", ready_since=None, status={"state": ENDED})
    asked = []
    kube.text = lambda path, **params: asked.append(params) or "x"
    evidence_of(kube)
    assert [query.get("previous") for query in asked] == [None]


@pytest.mark.parametrize(
    "spec", [{"selector": None}, {"clusterIP": "None"}, {"type": "ExternalName"}, {"selector": {"app": "other"}}]
)
def test_a_service_that_stands_before_nothing_we_know_is_no_claim(kube, spec):
    put_service(kube, **spec)
    assert known(kube) == []


def test_our_own_service_is_no_dependency(kube):
    put_service(kube, selector={"app": "web"})
    assert known(kube) == []


def test_nothing_is_claimed_when_services_may_not_be_read(kube):
    kube.before = failing(Forbidden("no"), times=9, part="/services")
    assert known(kube) == []


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Deployment/ledger,StatefulSet/db", ["Deployment/ledger", "StatefulSet/db"]),
        (" StatefulSet/db , ", ["StatefulSet/db"]),
        ("Deployment/web", []),
        ("Deployment/nowhere,Secret/token,ledger,/x,Deployment/", []),
    ],
)
def test_what_the_owner_says(kube, value, found):
    kube.texts.clear()
    put_workload(kube, "db", "StatefulSet", replicas=1, available=1)
    kube.put(paths.workload(WEB), a_deployment(annotations={"prunella.dev/depends-on": value}))
    views = evidence_of(kube).dependencies
    assert [str(view.ref) for view in views] == found
    assert {view.known_by for view in views} <= {"by its annotation prunella.dev/depends-on"}
    assert not any(view.mentioned for view in views)


def test_how_the_pods_of_a_dependency_are(kube):
    put_pod(kube, "ledger-a", "ledger", ready_since="2026-11-24T09:00:00Z")
    put_pod(kube, "ledger-b", "ledger", ready_since="2026-11-24T08:30:00Z")
    put_pod(kube, "ledger-c", "ledger", ready_since=None, status=CRASHED)
    (found,) = evidence_of(kube).dependencies
    assert found.serving_since == at("2026-11-24T08:30:00+00:00")
    assert found.failing.startswith("pod ledger-c, container app: CrashLoopBackOff")


@pytest.mark.parametrize("status", [None, NO_SECRET])
def test_nothing_is_read_about_dependencies_unless_pods_fail_for_them(kube, status):
    put_pod(kube, "web-a", "web", **({"ready_since": None, "status": status} if status else {}))
    assert evidence_of(kube).dependencies == ()
    assert not [path for _, path in kube.requests if path.endswith("/services")]


def test_shallow_evidence_reads_nothing_of_the_surroundings(kube):
    found = evidence_of(kube, full=False, since=OPENED)
    assert (found.dependencies, found.affected_workloads, found.nodes, found.since) == ((), (), (), OPENED)
    assert not [path for _, path in kube.requests if path.endswith(("/services", "/log")) or path.startswith(NODES)]


# Who lacks the same


def a_fellow(kube, name="cart-hash1-a", owner=None, **values):
    owner = owner or owned_by("apps/v1", "ReplicaSet", "cart-hash1", "uid-rs-cart")
    put_pod(kube, name, "cart", **{"ready_since": None, "status": NO_SECRET, "owner": owner, **values})


@pytest.fixture
def lacking(kube):
    put_pod(kube, "web-a", "web", ready_since=None, status=NO_SECRET)
    return kube


def fellows(kube):
    return [(fellow.workload, fellow.missing) for fellow in evidence_of(kube).affected_workloads]


@pytest.mark.parametrize(
    ("owner", "workload"),
    [
        (None, "Deployment/cart"),
        (owned_by("apps/v1", "StatefulSet", "cart", "u"), "StatefulSet/cart"),
        (owned_by("apps/v1", "ReplicaSet", "other", "u"), "ReplicaSet/other"),
    ],
)
def test_other_workloads_that_lack_the_same_secret(lacking, owner, workload):
    a_fellow(lacking, owner=owner)
    a_fellow(lacking, "cart-hash1-b", owner=owner)
    assert fellows(lacking) == [(workload, "Secret/token")]


def test_a_bare_pod_lacks_it_by_itself(lacking):
    a_fellow(lacking, "alone")
    lacking.objects[f"{PODS}/alone"]["metadata"]["ownerReferences"] = []
    assert fellows(lacking) == [("Pod/alone", "Secret/token")]


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"ready_since": LONG_AGO, "status": None}, id="a pod that is well"),
        pytest.param({"status": CRASHED}, id="a pod that crashes"),
        pytest.param({"deletionTimestamp": LONG_AGO}, id="a pod that goes"),
    ],
)
def test_others_do_not_lack_it(lacking, values):
    a_fellow(lacking, **values)
    assert fellows(lacking) == []


def test_a_volume_that_cannot_be_mounted_is_known_by_its_event(lacking):
    a_fellow(lacking, status={"state": {"waiting": {"reason": "ContainerCreating"}}})
    words = 'MountVolume.SetUp failed for volume "v" : secret "token" not found'
    event = {"type": "Warning", "reason": "FailedMount", "message": words, "involvedObject": {"name": "cart-hash1-a"}}
    lacking.put("/api/v1/namespaces/shop/events/one", event)
    assert fellows(lacking) == [("Deployment/cart", "Secret/token")]


def test_incidents_tell_what_they_are_about_and_what_causes_them(lacking):
    path = paths.incidents("shop")
    target = {"kind": "Deployment", "name": "cart"}
    meta = {"namespace": "shop", "creationTimestamp": LONG_AGO}
    lacking.put(f"{path}/cart-1", {"metadata": meta, "spec": {"target": target}})
    cause = {"incident": "cart-1", "target": "Secret/token", "message": "words"}
    lacking.put(f"{path}/web-1", {"metadata": meta}, phase="Diagnosing", target="Deployment/web", causedBy=cause)
    first, second = evidence_of(lacking).incidents
    assert (first.workload, first.phase, first.opened_at) == ("Deployment/cart", Phase.PENDING, OPENED)
    assert (second.caused_by.incident, second.caused_by.target) == ("cart-1", "Secret/token")


# Nodes


def on(node):
    pod = a_pod(ready_since=None, status=CRASHED)
    return {**pod, "spec": {**pod["spec"], "nodeName": node}}


@pytest.mark.parametrize(
    ("conditions", "ready", "message"),
    [
        ([{"type": "Ready", "status": "True"}], True, ""),
        (
            [{"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": LONG_AGO}],
            False,
            f"NodeStatusUnknown since {LONG_AGO}",
        ),
        ([], False, "not ready since an unknown time"),
        (None, False, "it was deleted"),
    ],
)
def test_the_node_of_a_pod_that_is_not_ready(kube, conditions, ready, message):
    kube.put(f"{PODS}/web-a", on("node-a"))
    if conditions is not None:
        kube.put(f"{NODES}/node-a", {}, conditions=conditions)
    (found,) = evidence_of(kube).nodes
    assert (found.name, found.ready, found.message) == ("node-a", ready, message)


def test_the_pressure_that_a_node_reports(kube):
    kube.put(f"{PODS}/web-a", on("node-a"))
    pressed = [
        {"type": kind, "status": status} for kind, status in (("MemoryPressure", "True"), ("DiskPressure", "False"))
    ]
    kube.put(f"{NODES}/node-a", {}, conditions=[{"type": "Ready", "status": "True"}, *pressed])
    (found,) = evidence_of(kube).nodes
    assert found.pressure == ("MemoryPressure",)


def test_a_node_that_may_not_be_read_is_not_known(kube):
    kube.put(f"{PODS}/web-a", on("node-a"))
    kube.before = failing(Forbidden("no"), times=9, part=NODES)
    assert evidence_of(kube).nodes == ()


# Words


def test_of_one_kind_of_word_only_the_newest_are_kept(kube):
    for number in range(30):
        stamp = f"2026-11-24T09:{number:02}:00Z"
        word = {"type": "Warning", "reason": "BackOff", "message": f"{number}", "lastTimestamp": stamp}
        kube.put(f"/api/v1/namespaces/shop/events/b{number}", {**word, "involvedObject": {"name": "web-a"}})
    probe = {"type": "Warning", "reason": "Unhealthy", "message": "timed out", "lastTimestamp": LONG_AGO}
    kube.put("/api/v1/namespaces/shop/events/probe", {**probe, "involvedObject": {"name": "web-a"}})
    assert [event.message for event in evidence_of(kube).events] == ["timed out", "27", "28", "29"]


def test_snapshots_are_still_read(kube):
    kube.put(paths.snapshots("shop", "s"), a_snapshot(a_template(7)))
    assert evidence_of(kube).revisions
