"""The evidence for a diagnosis."""

import pytest
from builders import a_policy
from fakes.kube import FakeKube, failing
from fakes.objects import (
    LONG_AGO,
    WEB,
    a_cluster,
    a_deployment,
    a_pod,
    a_replica_set,
    a_template,
    at,
    owned_by,
)

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_workflows.model.errors import Forbidden, InvalidIncident, NotFound, Refused, Unavailable
from prunella_workflows.model.evidence import MemoryBounds
from prunella_workflows.model.incident import IncidentRef, IncidentSpec, IncidentType, TargetRef
from prunella_workflows.model.incident_status import Phase

INCIDENT = IncidentRef(namespace="shop", name="web-1", uid="uid-web-1")
OPENED = at(LONG_AGO)
MI = 1 << 20
PODS = "/api/v1/namespaces/shop/pods"
KILLED = {"state": {"terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": LONG_AGO}}}
CRASHED = {"state": {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": LONG_AGO}}}

RUNNING = {"ready": False, "state": {"running": {"startedAt": LONG_AGO}}}


def a_spec(**values):
    return IncidentSpec(
        **{"type": IncidentType.OOM_KILLED, "target": TargetRef(kind="Deployment", name="web"), **values}
    )


@pytest.fixture
def kube():
    return a_cluster(FakeKube(), replica_sets=[a_replica_set(1)], pods=[a_pod()])


@pytest.fixture
def collector(kube):
    return EvidenceCollector(kube, stable_for=30)


def gathered(collector, *, full=True, **spec):
    return collector.evidence(WEB, a_spec(**spec), OPENED, full=full)


# Who it is about


def test_a_target_is_resolved_with_its_uid(collector):
    assert collector.resolve(INCIDENT, a_spec()) == WEB


def test_a_pod_is_resolved_to_its_top_owner(collector):
    assert collector.resolve(INCIDENT, a_spec(target=None, pod_name="web-a")) == WEB


def test_a_pod_of_an_owner_that_we_do_not_know_stands_for_itself(collector, kube):
    kube.put(f"{PODS}/odd", a_pod("odd", owner=owned_by("argoproj.io/v1alpha1", "Workflow", "w", "u")))
    found = collector.resolve(INCIDENT, a_spec(target=None, pod_name="odd"))
    assert (found.kind, found.name, found.uid) == ("Pod", "odd", "uid-odd")


def test_an_incident_about_nothing_makes_no_sense(collector):
    with pytest.raises(InvalidIncident, match=r"spec\.podName"):
        collector.resolve(INCIDENT, a_spec(target=None))


def test_a_kind_that_we_do_not_know_makes_no_sense(collector):
    with pytest.raises(InvalidIncident, match="Rollout"):
        collector.resolve(INCIDENT, a_spec(target=TargetRef(kind="Rollout", name="web")))


def test_a_target_that_is_gone(collector):
    with pytest.raises(NotFound):
        collector.resolve(INCIDENT, a_spec(target=TargetRef(kind="Deployment", name="other")))


def test_a_namesake_is_not_the_workload(collector):
    with pytest.raises(NotFound, match="the same name but a different UID exists"):
        collector.raw_workload(WEB.model_copy(update={"uid": "uid-before"}))


# What belongs to it


def test_only_pods_that_it_controls_count(collector, kube):
    kube.put(f"{PODS}/thief", a_pod("thief", owner=owned_by("apps/v1", "ReplicaSet", "other", "uid-other")))
    kube.put(
        f"{PODS}/orphan", {**a_pod("orphan"), "metadata": {"name": "orphan", "uid": "o", "labels": {"app": "web"}}}
    )
    assert [pod.name for pod in gathered(collector).pods] == ["web-a"]


def test_only_replica_sets_that_it_controls_count(collector, kube):
    stranger = a_replica_set(2, ownerReferences=[owned_by("apps/v1", "Deployment", "web", "uid-web-before")])
    kube.put(f"{paths.collection('ReplicaSet', 'shop')}/web-hash2", stranger)
    assert [revision.number for revision in gathered(collector).revisions] == [1]


def test_shallow_evidence_reads_no_more_than_confirming_needs(collector, kube):
    found = gathered(collector, full=False)
    assert (found.revisions, found.logs, found.events, found.bounds) == ((), (), (), MemoryBounds())
    assert not [
        path for _, path in kube.requests if path.endswith(("/log", "/events", "/nodes", "controllerrevisions"))
    ]


def test_nothing_is_written(collector, kube):
    gathered(collector)
    assert kube.writes == []


# Logs and events


def failing_pod(kube, status=CRASHED):
    kube.put(f"{PODS}/web-a", a_pod(ready_since=None, status=status))


@pytest.mark.parametrize(
    "excuse",
    [
        "unable to retrieve container logs for containerd://1234",
        'failed to try resolving symlinks in path "/var/log/pods/shop_web-a_1/app/1.log": no such file or directory',
    ],
)
def test_the_kubelets_excuse_is_no_word_of_the_program(collector, kube, excuse):
    failing_pod(kube)
    kube.texts[f"{PODS}/web-a/log"] = excuse
    assert [log.lines for log in gathered(collector).logs] == [()]


def test_where_the_log_of_the_run_before_is_gone_the_next_run_is_heard(collector, kube, monkeypatch):
    failing_pod(kube)
    excuse = "unable to retrieve container logs for containerd://1234"
    monkeypatch.setattr(kube, "text", lambda _path, **asked: excuse if "previous" in asked else "cannot reach ledger")
    assert [log.lines for log in gathered(collector).logs] == [("cannot reach ledger",)]


def test_the_last_words_of_what_fails_are_redacted_and_short(collector, kube):
    failing_pod(kube)
    kube.texts[f"{PODS}/web-a/log"] = "\n".join(["start", "", "password=hunter2secret", "x" * 1000])
    (tail,) = gathered(collector).logs
    assert (tail.pod, tail.container) == ("web-a", "app")
    assert tail.lines[0] == "start"
    assert "hunter2secret" not in tail.model_dump_json()
    assert max(map(len, tail.lines)) <= 400


def test_a_program_that_crashed_is_heard_before_those_that_are_only_not_ready(collector, kube):
    for name in ("web-a", "web-b", "web-c"):
        kube.put(f"{PODS}/{name}", a_pod(name, ready_since=None, status=CRASHED if name == "web-c" else RUNNING))
        kube.texts[f"{PODS}/{name}/log"] = f"the words of {name}"
    assert [log.pod for log in gathered(collector).logs] == ["web-c", "web-a"]


@pytest.mark.parametrize("error", [NotFound("gone"), Refused("not started"), Forbidden("no"), Unavailable("no node")])
def test_a_log_that_cannot_be_read_is_no_reason_to_stop(collector, kube, error):
    """A log on a lost node cannot be read: the incident must be diagnosed all the same."""
    failing_pod(kube)
    kube.texts[f"{PODS}/web-a/log"] = error
    assert gathered(collector).logs == ()


def test_a_server_that_is_away_is_a_reason_to_try_again(collector, kube):
    failing_pod(kube)
    kube.before = failing(Unavailable("away"), part="replicasets")
    with pytest.raises(Unavailable):
        gathered(collector)


def an_event(kube, name, *, about="web", reason="BackOff", message="m", at=LONG_AGO, **more):
    body = {"type": "Warning", "involvedObject": {"name": about}, "reason": reason, "message": message}
    kube.put(f"/api/v1/namespaces/shop/events/{name}", {**body, "lastTimestamp": at, **more})


def test_warnings_about_it_oldest_first_and_redacted(collector, kube):
    an_event(kube, "late", message="token=hunter2secret", at="2026-11-24T09:00:00Z", count=3)
    an_event(kube, "early")
    an_event(kube, "noise", reason="DNSConfigForming")
    an_event(kube, "other", about="db")
    an_event(kube, "new-kind", at=None, eventTime="2026-11-24T10:00:00.000001Z")
    kube.objects["/api/v1/namespaces/shop/events/new-kind"].pop("lastTimestamp")
    found = gathered(collector).events
    assert [event.count for event in found] == [1, 3, 1]
    assert "hunter2secret" not in found[1].message
    assert found[2].at == at("2026-11-24T10:00:00.000001+00:00")


@pytest.mark.parametrize("homeless", [True, False])
def test_whether_a_node_was_asked_for_is_read_where_pods_find_none(collector, kube, homeless):
    status = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]}
    pod = a_pod("web-b", ready_since=None)
    kube.put(f"{PODS}/web-b", {**pod, "status": status} if homeless else pod)
    an_event(kube, "asked", about="web-b", reason="TriggeredScaleUp", type="Normal")
    an_event(kube, "ordinary", about="web-b", reason="Scheduled", type="Normal")
    assert [event.reason for event in gathered(collector).events] == (["TriggeredScaleUp"] if homeless else [])


def test_an_event_without_any_time_is_the_oldest(collector, kube):
    an_event(kube, "timeless", at=None)
    assert gathered(collector).events[0].at is None


# Memory bounds


def quota(kube, name, hard, used, **spec):
    kube.put(f"/api/v1/namespaces/shop/resourcequotas/{name}", {"spec": spec}, hard=hard, used=used)


def limit_range(kube, name, *limits):
    kube.put(f"/api/v1/namespaces/shop/limitranges/{name}", {"spec": {"limits": list(limits)}})


def node(kube, name, memory, **spec):
    kube.put(f"/api/v1/nodes/{name}", {"spec": spec}, allocatable={"memory": memory} if memory else {})


def bounds(collector, kube):
    failing_pod(kube, KILLED)
    return gathered(collector).bounds


def test_bounds_are_read_only_when_memory_is_the_question(collector, kube):
    node(kube, "a", "1Gi")
    assert gathered(collector).bounds == MemoryBounds()


def test_no_bounds(collector, kube):
    assert bounds(collector, kube) == MemoryBounds(resize_offered=True)


def test_the_tightest_quota_decides(collector, kube):
    quota(kube, "a", {"limits.memory": "1Gi", "pods": "10"}, {"limits.memory": "512Mi", "pods": "2"})
    quota(kube, "b", {"limits.memory": "600Mi", "requests.memory": "1G"}, {"limits.memory": "500Mi"})
    found = bounds(collector, kube)
    assert found.quota_limits_free == 100 * MI
    assert found.quota_requests_free == 10**9


def test_memory_is_another_name_of_requests_memory(collector, kube):
    quota(kube, "a", {"memory": "256Mi"}, {"memory": "200Mi"})
    assert bounds(collector, kube).quota_requests_free == 56 * MI


def test_a_quota_that_is_overspent_grants_less_than_nothing(collector, kube):
    quota(kube, "a", {"limits.memory": "100Mi"}, {"limits.memory": "150Mi"})
    assert bounds(collector, kube).quota_limits_free == -50 * MI


def test_a_quota_for_pods_with_a_deadline_does_not_count(collector, kube):
    quota(kube, "jobs", {"limits.memory": "10Mi"}, {}, scopes=["Terminating"])
    assert bounds(collector, kube).quota_limits_free is None


def test_a_quota_that_was_not_counted_yet_says_nothing(collector, kube):
    kube.put("/api/v1/namespaces/shop/resourcequotas/new", {"spec": {"hard": {"limits.memory": "1Gi"}}})
    assert bounds(collector, kube).quota_limits_free is None


def test_the_tightest_limit_range_of_containers_decides(collector, kube):
    limit_range(kube, "a", {"type": "Container", "max": {"memory": "1Gi"}, "maxLimitRequestRatio": {"memory": "4"}})
    limit_range(
        kube,
        "b",
        {"type": "Container", "max": {"memory": "512Mi", "cpu": "1"}},
        {"type": "Pod", "max": {"memory": "1Mi"}},
    )
    limit_range(kube, "c", {"type": "Container", "maxLimitRequestRatio": {"memory": "2500m"}})
    found = bounds(collector, kube)
    assert (found.container_max, found.ratio_max) == (512 * MI, 2.5)


def test_the_largest_node_that_takes_pods_counts(collector, kube):
    node(kube, "small", "1Gi")
    node(kube, "large", "2Gi")
    node(kube, "cordoned", "9Gi", unschedulable=True)
    node(kube, "silent", None)
    assert bounds(collector, kube).node_max == 2 << 30


# Other incidents


def test_incidents_in_brief(collector, kube):
    path = "/apis/prunella.dev/v1alpha1/namespaces/shop/incidents"
    body = {"metadata": {"namespace": "shop", "creationTimestamp": "2026-11-24T08:00:00Z"}}
    kube.put(f"{path}/new", body)
    times = {"repairedAt": "2026-11-24T09:00:00Z", "closedAt": "2026-11-24T09:01:00Z"}
    kube.put(f"{path}/old", body, phase="Healed", target="Deployment/web", times=times)
    new, old = collector.incidents(WEB, full=True)
    assert (new.phase, new.workload, new.repaired_at) == (Phase.PENDING, "", None)
    assert (old.phase, old.workload, old.repaired_at) == (
        Phase.HEALED,
        "Deployment/web",
        at("2026-11-24T09:00:00+00:00"),
    )


def a_workload(kube, kind, name, **status):
    meta = {"name": name, "namespace": "shop"}
    kube.put(f"{paths.collection(kind, 'shop')}/{name}", {"metadata": meta, "spec": {"replicas": 2}}, **status)


def test_the_healthy_share_of_a_namespace_counts_workloads_of_every_kind(kube, collector):
    policy = a_policy(budgets={"minimumHealthyPercent": 50})
    assert collector.healthy_percent("shop", policy) == 100
    a_workload(kube, "StatefulSet", "db", availableReplicas=1)
    a_workload(kube, "DaemonSet", "agent", desiredNumberScheduled=3, numberAvailable=3)
    a_workload(kube, "DaemonSet", "logs", desiredNumberScheduled=3, numberAvailable=0)
    assert collector.healthy_percent("shop", policy) == 50
    a_workload(kube, "DaemonSet", "nowhere", desiredNumberScheduled=0)  # nothing is wanted, so nothing is missing
    assert collector.healthy_percent("shop", policy) == 50


def test_nobody_counts_for_a_policy_that_does_not_ask(kube, collector):
    kube.requests.clear()
    assert collector.healthy_percent("shop", a_policy()) is None
    assert kube.requests == []


def test_a_namespace_without_workloads_has_no_share(collector):
    assert collector.healthy_percent("empty", a_policy(budgets={"minimumHealthyPercent": 50})) is None


def test_a_deployment_with_a_selector_of_expressions(kube, collector):
    selector = {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "shop"]}]}
    kube.put(paths.workload(WEB), a_deployment(a_template(1), selector=selector))
    assert [pod.name for pod in gathered(collector).pods] == ["web-a"]


def test_a_deployment_that_lost_its_history_still_shows_its_health(collector, kube):
    del kube.objects[f"{paths.collection('ReplicaSet', 'shop')}/web-hash1"]
    found = gathered(collector)
    assert (found.workload.revision, found.revisions, found.pods) == ("", (), ())
