"""Workloads of a dump: which faults are judged, and which are not for want of something."""

import json

import pytest
from fakes.objects import owned_by
from fakes.pods import ended, pod, running, waiting

from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.dump.files import read_dump
from prunella_operator.reporting.dump_diagnosis import DumpDiagnoser, Selection
from prunella_workflows.decisions.guards import first_block

CRASHING = running(state=waiting("CrashLoopBackOff"), lastState=ended(), restartCount=5)
BARE = pod("tool", uid="uid-tool", ownerReferences=[], containers=[running(ready=True)])
EVENT = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "tool.1", "namespace": "shop"}, "type": "Normal"}
MESSAGE = "Job has reached the specified backoff limit"


@pytest.fixture
def diagnose(tmp_path):
    def call(*objects, **wanted):
        (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
        return DumpDiagnoser(read_dump(tmp_path), Settings.load({})).diagnose(Selection(**wanted))

    return call


def a_pod_of(kind, name, **meta):
    return pod(
        f"{name}-0", ownerReferences=[owned_by("apps/v1", kind, name, f"uid-{name}")], containers=[CRASHING], **meta
    )


def a_daemon_set(name="agent"):
    meta = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "7", "generation": 1}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "app", "image": "agent:1"}]}}
    status = {"desiredNumberScheduled": 1, "currentNumberScheduled": 1, "observedGeneration": 1}
    spec = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": meta, "spec": spec, "status": status}


def a_job():
    meta = {"name": "import", "namespace": "shop", "uid": "uid-import", "resourceVersion": "7"}
    end = {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": MESSAGE}
    condition = {**end, "lastTransitionTime": "2026-11-24T09:59:10Z"}
    spec = {"template": {"metadata": {}, "spec": {"containers": [{"name": "app", "image": "import:1"}]}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": meta,
        "spec": spec,
        "status": {"conditions": [condition]},
    }


def test_a_pod_whose_stateful_set_is_missing(diagnose):
    (fault,) = diagnose(a_pod_of("StatefulSet", "db")).faults
    assert (fault.workload, fault.state) == ("StatefulSet/db", "NotJudged")
    assert fault.message.endswith("pod db-0 (CrashLoopBackOff) belongs to: the dump has no statefulsets/db")


def test_without_revisions_the_release_of_a_pod_is_not_known(diagnose):
    labels = {"app": "agent", "controller-revision-hash": "5d"}
    (fault,) = diagnose(a_daemon_set(), a_pod_of("DaemonSet", "agent", labels=labels)).faults
    assert (fault.workload, fault.state) == ("DaemonSet/agent", "NotJudged")
    assert "the dump has no controllerrevisions of namespace shop" in fault.message


def test_a_failed_job_is_judged_by_its_end_and_only_reported(diagnose):
    (fault,) = diagnose(a_job(), BARE, EVENT).faults
    assert (fault.state, fault.message) == ("Failing", f"import failed ({MESSAGE})")
    assert first_block(fault.report.guards).name == "Mode"


def test_a_bare_pod(diagnose):
    result = diagnose(pod("tool", ownerReferences=[], containers=[CRASHING]), workload="tool")
    (fault,) = result.faults
    assert (fault.workload, fault.state, result.workloads) == ("Pod/tool", "Failing", 1)
    assert "what the program wrote: the dump has no log of the previous run of container app of pod tool" in fault.lacks


def test_a_protected_namespace_is_left_alone(diagnose):
    (fault,) = diagnose(pod("dns", namespace="kube-system", ownerReferences=[], containers=[CRASHING])).faults
    assert first_block(fault.report.guards).name == "ProtectedNamespace"


def test_healthy_workloads_have_no_fault(diagnose):
    result = diagnose(BARE)
    assert (result.faults, result.workloads) == ((), 1)
    assert diagnose(BARE, namespace="other").workloads == 0
