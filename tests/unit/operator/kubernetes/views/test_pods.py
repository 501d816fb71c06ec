"""Views of pods."""

import pytest
from fakes.objects import LONG_AGO, a_pod, at

from prunella_operator.kubernetes.views.pods import pod_view
from prunella_workflows.model.quantity import parse_bytes


def test_a_ready_pod():
    view = pod_view(a_pod())
    assert (view.ready, view.ready_since, view.revision, view.live) == (True, at(LONG_AGO), "hash1", True)
    assert view.memory_limits == {"app": parse_bytes("64Mi")}


def test_a_pod_that_is_not_ready_has_no_moment_of_readiness():
    assert pod_view(a_pod(ready_since=None)).ready_since is None


def test_a_pod_on_its_way_out_is_not_live():
    assert not pod_view(a_pod(deletionTimestamp=LONG_AGO)).live


def test_an_evicted_pod_has_the_reason_and_the_time():
    conditions = [{"type": "Ready", "status": "False", "lastTransitionTime": LONG_AGO}]
    status = {"phase": "Failed", "reason": "Evicted", "message": "low on memory", "conditions": conditions}
    view = pod_view({**a_pod(), "status": status})
    assert (view.live, view.evicted, view.evicted_at) == (False, "low on memory", at(LONG_AGO))
    assert (pod_view(a_pod()).evicted, pod_view(a_pod()).evicted_at) == ("", None)


def test_a_pod_that_is_always_restarted_and_has_succeeded_was_ended_by_its_kubelet():
    end = {"exitCode": 0, "finishedAt": LONG_AGO}
    status = {"phase": "Succeeded", "containerStatuses": [{"name": "server", "state": {"terminated": end}}]}
    ended = pod_view({**a_pod(), "spec": {"restartPolicy": "Always"}, "status": status})
    deleted = pod_view({**a_pod(deletionTimestamp=LONG_AGO), "spec": {"restartPolicy": "Always"}, "status": status})
    of_a_job = pod_view({**a_pod(), "spec": {"restartPolicy": "OnFailure"}, "status": status})
    assert (ended.evicted, ended.evicted_at) == ("its kubelet ended it", at(LONG_AGO))
    assert [(other.evicted, other.evicted_at) for other in (deleted, of_a_job)] == [("", None)] * 2


def test_the_memory_limit_of_a_pod_as_a_whole():
    pod = a_pod()
    assert pod_view(pod).memory_limit is None
    pod["spec"] = {**pod["spec"], "resources": {"limits": {"memory": "1Gi"}}}
    assert pod_view(pod).memory_limit == parse_bytes("1Gi")


def ended(reason, code, at=LONG_AGO):
    return {"terminated": {"reason": reason, "exitCode": code, "startedAt": at, "finishedAt": at, "message": "m"}}


@pytest.mark.parametrize(
    ("status", "reasons", "running"),
    [
        pytest.param({"state": ended("OOMKilled", 137)}, ["OOMKilled"], False, id="killed a moment ago"),
        pytest.param(
            {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": ended("OOMKilled", 137)},
            ["OOMKilled"],
            False,
            id="in back-off after it",
        ),
        pytest.param(
            {"state": {"running": {"startedAt": LONG_AGO}}, "lastState": ended("OOMKilled", 137)},
            ["OOMKilled"],
            True,
            id="runs again after it",
        ),
        pytest.param(
            {"state": ended("Error", 137), "lastState": ended("OOMKilled", 137)},
            ["Error", "OOMKilled"],
            False,
            id="twice, newest first",
        ),
        pytest.param({"state": {}}, [], False, id="a state the kubelet did not fill in yet"),
    ],
)
def test_states_of_a_container(status, reasons, running):
    container = pod_view(a_pod(status={"lastState": {}, **status})).containers[0]
    assert [termination.reason for termination in container.terminations] == reasons
    assert (container.running_since is not None) is running


def test_init_container_statuses_come_first():
    raw = a_pod()
    raw["status"]["initContainerStatuses"] = [
        {
            "name": "setup",
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
            "restartCount": 4,
        }
    ]
    first, second = pod_view(raw).containers
    assert (first.name, first.init, first.waiting, first.message, first.restarts) == (
        "setup",
        True,
        "CrashLoopBackOff",
        "back-off",
        4,
    )
    assert (second.name, second.init) == ("app", False)


def test_a_pod_that_cannot_be_scheduled_says_why():
    raw = a_pod(ready_since=None)
    raw["status"]["conditions"] = [{"type": "PodScheduled", "status": "False", "message": "no node fits"}]
    assert pod_view(raw).unschedulable == "no node fits"


def test_a_pod_without_any_status():
    view = pod_view({"metadata": {"name": "p", "uid": "u"}})
    assert (view.phase, view.ready, view.containers, view.created_at) == ("", False, (), None)
