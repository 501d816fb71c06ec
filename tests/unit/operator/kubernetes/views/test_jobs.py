"""Kinds that are only reported, as views: what is counted of them, and how their work ended."""

import pytest
from fakes.kube import FakeKube
from fakes.objects import LONG_AGO, NAMESPACE, a_cluster, a_pod, a_replica_set, a_template, at, owned_by

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.kubernetes import paths
from prunella_workflows.model.workload import Outcome, WorkloadRef

JOBS = paths.collection("Job", NAMESPACE)
PODS = paths.core(NAMESPACE, "pods")
ENDED = {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": LONG_AGO}}
LIMIT = {"reason": "BackoffLimitExceeded", "message": "Job has reached the specified backoff limit"}


def a_job(name, *conditions, created=LONG_AGO, failed=0, owner=None):
    meta = {"namespace": NAMESPACE, "name": name, "uid": f"uid-{name}", "creationTimestamp": created}
    meta |= {"ownerReferences": [owner]} if owner else {}
    template = a_template(labels={"job-name": name})
    spec = {"selector": {"matchLabels": {"job-name": name}}, "template": template}
    return {"kind": "Job", "metadata": meta, "spec": spec, "status": {"conditions": list(conditions), "failed": failed}}


def a_try(name, job, phase="Failed", status=None, **meta):
    pod = a_pod(name, ready_since=None, status=status or {"state": ENDED}, owner=owned_by("batch/v1", "Job", job, "u"))
    owner = owned_by("batch/v1", "Job", job, f"uid-{job}")
    pod["metadata"] |= {"labels": {"job-name": job}, "ownerReferences": [owner]}
    pod["metadata"] |= meta
    pod["status"]["phase"] = phase
    return pod


@pytest.fixture
def kube():
    return a_cluster(FakeKube())


def view_of(kube, kind, name, version="batch/v1"):
    ref = WorkloadRef(api_version=version, kind=kind, namespace=NAMESPACE, name=name)
    _, workload, pods = EvidenceCollector(kube, stable_for=30).view(ref)
    return workload, pods


def condition(kind, status="True", **words):
    return {"type": kind, "status": status, **words}


@pytest.mark.parametrize(
    ("conditions", "outcome"),
    [
        ((), Outcome.RUNNING),
        ((condition("Complete"),), Outcome.COMPLETE),
        ((condition("FailureTarget"), condition("Failed", **LIMIT)), Outcome.FAILED),
        ((condition("FailureTarget"),), Outcome.RUNNING),
        ((condition("Suspended"), condition("Failed", "False")), Outcome.RUNNING),
    ],
)
def test_the_outcome_of_a_job(kube, conditions, outcome):
    kube.put(f"{JOBS}/report", a_job("report", *conditions, failed=3))
    workload, _ = view_of(kube, "Job", "report")
    assert (workload.run.name, workload.run.outcome, workload.run.failures) == ("report", outcome, 3)
    assert workload.run.message == (LIMIT["message"] if outcome is Outcome.FAILED else "")


def test_the_tries_of_a_job_that_failed_count_and_those_that_were_evicted_do_not(kube):
    kube.put(f"{JOBS}/report", a_job("report"))
    evicted = a_try("report-b", "report")
    evicted["status"]["reason"] = "Evicted"
    for item in (a_try("report-a", "report"), evicted, a_try("report-c", "report", "Succeeded")):
        kube.put(f"{PODS}/{item['metadata']['name']}", item)
    _, pods = view_of(kube, "Job", "report")
    assert [(pod.name, pod.failed, pod.live) for pod in pods] == [
        ("report-a", True, True),
        ("report-b", False, False),
        ("report-c", False, False),
    ]


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController"])
def test_the_remains_of_a_pod_that_was_replaced_do_not_count(kube, kind):
    kube.put(f"{PODS}/web-a", a_pod(ready_since=None, status={"state": ENDED}, owner=owned_by("v1", kind, "x", "u")))
    kube.objects[f"{PODS}/web-a"]["status"]["phase"] = "Failed"
    _, (pod,) = view_of(kube, "Pod", "web-a", "v1")
    assert not pod.live


def test_a_cron_job_is_as_its_latest_job_is(kube):
    owner = owned_by("batch/v1", "CronJob", "nightly", "uid-nightly")
    meta = {"namespace": NAMESPACE, "uid": "uid-nightly"}
    kube.put(f"{paths.collection('CronJob', NAMESPACE)}/nightly", {"kind": "CronJob", "metadata": meta, "spec": {}})
    for name, created, *conditions in (
        ("nightly-1", "2026-11-23T03:00:00Z", condition("Complete")),
        ("nightly-2", "2026-11-24T03:00:00Z", condition("Failed", **LIMIT)),
    ):
        kube.put(f"{JOBS}/{name}", a_job(name, *conditions, created=created, owner=owner))
        kube.put(f"{PODS}/{name}-a", a_try(f"{name}-a", name))
    kube.put(f"{JOBS}/another", a_job("another", created="2026-11-24T04:00:00Z"))
    workload, pods = view_of(kube, "CronJob", "nightly")
    assert (workload.run.name, workload.run.outcome) == ("nightly-2", Outcome.FAILED)
    assert [pod.name for pod in pods] == ["nightly-2-a"]


def test_a_cron_job_that_never_ran(kube):
    meta = {"namespace": NAMESPACE, "uid": "uid-nightly"}
    kube.put(f"{paths.collection('CronJob', NAMESPACE)}/nightly", {"kind": "CronJob", "metadata": meta, "spec": {}})
    workload, pods = view_of(kube, "CronJob", "nightly")
    assert (workload.run, pods) == (None, ())


@pytest.mark.parametrize(
    ("values", "phase", "complete", "outcome"),
    [
        ({}, "Running", True, Outcome.RUNNING),
        ({"ready_since": None}, "Running", False, Outcome.RUNNING),
        ({"ready_since": None}, "Failed", False, Outcome.FAILED),
        ({"ready_since": None}, "Succeeded", False, Outcome.COMPLETE),
    ],
)
def test_a_bare_pod_is_its_own_replica(kube, values, phase, complete, outcome):
    bare = a_pod("alone", **values)
    bare["metadata"] |= {"ownerReferences": [], "generation": 1}
    bare["status"]["phase"] = phase
    kube.put(f"{PODS}/alone", bare)
    workload, pods = view_of(kube, "Pod", "alone", "v1")
    assert (workload.complete, workload.run.outcome, len(pods)) == (complete, outcome, 1)


def test_a_replica_set_of_somebody_else_can_be_healthy(kube):
    replica_set = a_replica_set(1, ownerReferences=[owned_by("argoproj.io/v1alpha1", "Rollout", "web", "u")])
    replica_set["spec"] |= {"replicas": 1, "selector": {"matchLabels": {"app": "web"}}}
    counts = {"replicas": 1, "readyReplicas": 1, "availableReplicas": 1, "observedGeneration": 1}
    kube.put(f"{paths.collection('ReplicaSet', NAMESPACE)}/web-hash1", {"kind": "ReplicaSet", **replica_set}, **counts)
    kube.put(f"{PODS}/web-a", a_pod())
    workload, (pod,) = view_of(kube, "ReplicaSet", "web-hash1", "apps/v1")
    assert workload.complete
    assert pod.revision == workload.revision == "hash1"


@pytest.mark.parametrize(
    ("condition", "container", "lost"),
    [
        pytest.param({"status": "False"}, {"ready": True}, True, id="the control plane says otherwise"),
        pytest.param({"status": "Unknown"}, {"ready": True}, True, id="the control plane does not know"),
        pytest.param({"status": "True"}, {"ready": True}, False, id="all agree that it is ready"),
        pytest.param({"status": "False"}, {"ready": False}, False, id="all agree that it is not"),
        pytest.param(
            {"status": "False", "reason": "ReadinessGatesNotReady"}, {"ready": True}, False, id="a readiness gate"
        ),
    ],
)
def test_a_pod_whose_node_is_lost(kube, condition, container, lost):
    broken = a_pod(status=container)
    broken["status"]["conditions"] = [{"type": "Ready", "lastTransitionTime": LONG_AGO, **condition}]
    broken["status"]["startTime"] = "2026-11-24T07:00:00Z"
    kube.put(f"{PODS}/web-a", broken)
    _, (pod,) = view_of(kube, "Pod", "web-a", "v1")
    assert pod.node_lost is lost
    assert pod.unready_since == (at(LONG_AGO) if container == {"ready": False} else None)


@pytest.mark.parametrize("done", [True, False])
def test_a_sidecar_that_fails_beside_a_program_that_serves_is_no_lost_node(kube, done):
    sidecar = {"name": "sidecar", "ready": done, "restartCount": 2}
    broken = a_pod(status={"ready": True})
    broken["status"] |= {"initContainerStatuses": [sidecar], "startTime": "2026-11-24T07:00:00Z"}
    broken["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": LONG_AGO}]
    kube.put(f"{PODS}/web-a", broken)
    _, (pod,) = view_of(kube, "Pod", "web-a", "v1")
    assert pod.node_lost is done
    assert pod.unready_since == (None if done else at(LONG_AGO))


def test_words_of_a_program_are_redacted():
    kube = a_cluster(FakeKube())
    end = {"terminated": {**ENDED["terminated"], "message": "password=hunter2secret"}}
    kube.put(f"{PODS}/web-a", a_pod(ready_since=None, status={"state": end}))
    _, (pod,) = view_of(kube, "Pod", "web-a", "v1")
    assert pod.containers[0].terminated.message == "password=***"


def test_a_command_that_a_kubelet_quotes_is_redacted(kube):
    waiting = {"reason": "CreateContainerError", "message": 'exec: "/bin/app --password=hunter2": not found'}
    kube.put(f"{PODS}/web-a", a_pod(ready_since=None, status={"state": {"waiting": waiting}}))
    _, (pod,) = view_of(kube, "Pod", "web-a", "v1")
    assert pod.containers[0].message == 'exec: "/bin/app --password=***": not found'


def test_the_end_of_a_job_is_redacted(kube):
    failed = {**condition("Failed"), "message": "env TOKEN=hunter2 refused"}
    kube.put(f"{JOBS}/report", a_job("report", failed))
    workload, _ = view_of(kube, "Job", "report")
    assert workload.run.message == "env TOKEN=*** refused"


def test_the_pods_of_a_replica_set_of_its_own_are_its_current_ones(kube):
    """They bear no label of a revision, and that is theirs."""
    replica_set = a_replica_set(7)
    replica_set["metadata"] |= {"name": "alone", "uid": "uid-alone", "ownerReferences": []}
    del replica_set["spec"]["template"]["metadata"]["labels"]["pod-template-hash"]
    replica_set["spec"]["selector"] = {"matchLabels": {"app": "web"}}
    kube.put(f"{paths.collection('ReplicaSet', NAMESPACE)}/alone", {"kind": "ReplicaSet", **replica_set}, replicas=1)
    mine = a_pod("alone-a", owner=owned_by("apps/v1", "ReplicaSet", "alone", "uid-alone"))
    del mine["metadata"]["labels"]["pod-template-hash"]
    kube.put(f"{PODS}/alone-a", mine)
    workload, (pod,) = view_of(kube, "ReplicaSet", "alone", "apps/v1")
    assert (workload.revision, pod.revision) == ("", "")
