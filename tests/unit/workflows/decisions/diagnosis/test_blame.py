"""Blame: a release is innocent of what the last good revision would suffer as well."""

import pytest
from builders import (
    a_brief,
    a_container,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_revision,
    a_termination,
    a_waiting_container,
    ago,
    an_evidence,
    an_unavailable_deployment,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.probe_events import old_pods_pending
from prunella_workflows.decisions.playbooks.bad_release import diagnose
from prunella_workflows.model.evidence import EventView, LogTail
from prunella_workflows.model.outcome import Rejected
from prunella_workflows.model.pod_demands import PodDemands

OLD = a_pod("web-1-a", revision="1")
CRASHING = a_pod("web-2-a", a_crashing_container())
GOOD = {
    "images": {"app": "registry.example/web:1"},
    "references": frozenset({"Secret/token", "ConfigMap/web (key a)", "ServiceAccount/web"}),
    "volumes": {"data": "digest"},
    "runtime_class": "gvisor",
}
NEXT = GOOD | {"images": {"app": "registry.example/web:2"}}
BACK_OFF = "Back-off pulling image"
WEBHOOK = 'Internal error occurred: failed calling webhook "v.example": Post "https://w.svc:443": connection refused'
SANDBOX = 'plugin type="calico" failed (add): error getting ClusterInformation: connection is unauthorized'
HANDLER = 'unable to get OCI runtime for RuntimeHandler "gvisor": not configured'


def _answer(*pods, workload=None, current=None, events=(), **values):
    good = a_revision(1, good_at=ago(7200), demands=PodDemands(**GOOD))
    new = a_revision(2, current=True, demands=PodDemands(**(NEXT | (current or {}))))
    workload = workload or an_unavailable_deployment()
    evidence = an_evidence(
        *pods, **{"workload": workload, "revisions": (good, new), "events": events, "soak": 30.0, **values}
    )
    return diagnose(Findings(evidence))


def _why(answer):
    return answer.reason if isinstance(answer, Rejected) else ""


def _waiting(reason, message="", **values):
    return a_pod("web-2-a", a_waiting_container(reason, message=message), phase="Pending", **values)


def _blocked(reason, message):
    """A pod without a container, and the kubelet's word on it."""
    pod = _waiting("ContainerCreating", ready_since=None, created_at=ago(200))
    return pod, EventView(about="web-2-a", reason=reason, message=message, at=ago(5))


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        pytest.param(
            a_pod("web-2-a", a_container_status(), a_crashing_container("mesh")), "container mesh", id="it crashes"
        ),
        pytest.param(
            a_pod("web-2-a", a_crashing_container(), a_crashing_container("mesh")),
            "container mesh",
            id="its own container crashes as well, maybe because of it",
        ),
        pytest.param(a_pod("web-2-a", a_crashing_container(), a_container_status("mesh")), "", id="it runs"),
    ],
)
def test_a_container_that_is_not_in_the_template(pod, why):
    assert why in _why(_answer(pod, OLD))
    assert bool(why) is bool(_why(_answer(pod, OLD)))


@pytest.mark.parametrize(
    ("words", "innocent"),
    [
        pytest.param(WEBHOOK, True, id="a webhook that does not answer"),
        pytest.param('admission webhook "policy.example" denied the request: no root', False, id="one that refuses"),
        pytest.param('pods "x" is forbidden: violates PodSecurity "restricted:latest"', False, id="Pod Security"),
        pytest.param('error looking up service account shop/web: serviceaccount "web" not found', True, id="its own"),
        pytest.param('error looking up service account shop/b: serviceaccount "b" not found', False, id="a new one"),
    ],
)
def test_pods_that_are_refused(words, innocent):
    workload = an_unavailable_deployment(create_failure=words, create_failed_since=ago(90))
    assert bool(_why(_answer(OLD, workload=workload))) is innocent


@pytest.mark.parametrize(
    ("reason", "message", "current", "innocent"),
    [
        pytest.param("FailedCreatePodSandBox", SANDBOX, {}, True, id="the network plugin fails"),
        pytest.param("FailedCreatePodSandBox", HANDLER, {}, True, id="the runtime of both is gone"),
        pytest.param("FailedCreatePodSandBox", HANDLER, {"runtime_class": "b"}, False, id="a runtime of its own"),
        pytest.param(
            "FailedCreatePodSandBox", "container init was OOM-killed (memory limit too low?)", {}, False, id="too small"
        ),
        pytest.param("FailedMount", 'volume "data" : secret "token" not found', {}, True, id="a Secret of both"),
        pytest.param("FailedMount", 'volume "x" : secret "other" not found', {}, False, id="a Secret of its own"),
        pytest.param("FailedMount", 'volume "data" : mount failed: exit status 32', {}, True, id="a volume of both"),
        pytest.param("FailedMount", 'volume "x" : mount failed: exit status 32', {}, False, id="a volume of its own"),
        pytest.param(
            "FailedMount", 'volume "data" : failed', {"volumes": {"data": "other"}}, False, id="a changed volume"
        ),
        pytest.param("FailedMount", "unmounted volumes=[x]: timed out waiting", {}, False, id="no word on the volume"),
    ],
)
def test_pods_that_the_kubelet_cannot_start(reason, message, current, innocent):
    pod, event = _blocked(reason, message)
    assert bool(_why(_answer(pod, OLD, current=current, events=(event,)))) is innocent


@pytest.mark.parametrize(
    ("message", "innocent"),
    [
        pytest.param("couldn't find key a in ConfigMap shop/web", True, id="a key that both need"),
        pytest.param("couldn't find key b in ConfigMap shop/web", False, id="a key that only it needs"),
        pytest.param('secret "token" not found', True, id="a Secret that both need"),
        pytest.param("failed to sync configmap cache: timed out waiting for the condition", True, id="a slow kubelet"),
        pytest.param("container has runAsNonRoot and image will run as root", False, id="its own setting"),
    ],
)
def test_configuration(message, innocent):
    answer = _answer(_waiting("CreateContainerConfigError", message), OLD)
    assert bool(_why(answer)) is innocent


@pytest.mark.parametrize(
    ("resources", "innocent"),
    [
        pytest.param({"limits.memory": 128.0}, True, id="a higher limit of what is not short"),
        pytest.param({"requests.memory": 128.0}, True, id="more of what is not short"),
        pytest.param({"requests.example.org/gpu": 1.0}, False, id="more of what is short"),
    ],
)
def test_full_nodes(resources, innocent):
    message = "0/1 nodes are available: 1 Insufficient example.org/gpu. preemption: no victims found."
    pod = _waiting("", unschedulable=message, created_at=ago(200))
    assert bool(_why(_answer(pod, OLD, current={"resources": resources}))) is innocent


@pytest.mark.parametrize(
    ("message", "image", "innocent"),
    [
        pytest.param("dial tcp 10.0.0.1:443: i/o timeout", "registry.example/web:2", True, id="no answer"),
        pytest.param("dial tcp 127.0.0.1:1: connect: connection refused", "other.example/a:2", True, id="another's"),
        pytest.param("unexpected status: 503 Service Unavailable", "registry.example/web:2", True, id="an error"),
        pytest.param("429 Too Many Requests: toomanyrequests", "registry.example/web:2", True, id="too many"),
        pytest.param("x509: certificate has expired", "registry.example/web:2", True, id="its certificate"),
        pytest.param("registry.example/web:2: not found", "registry.example/web:2", False, id="no such tag"),
        pytest.param("lookup none.example: no such host", "none.example/a:1", False, id="no such registry"),
        pytest.param(
            "dial tcp: lookup none.example on 10.0.0.10:53: dial udp: connect: network is unreachable",
            "none.example/a:1",
            False,
            id="a name that only the release uses",
        ),
        pytest.param(
            "dial tcp: lookup registry.example on 10.0.0.10:53: server misbehaving",
            "registry.example/web:2",
            True,
            id="name servers are away",
        ),
        pytest.param("lookup registry.example: no such host", "registry.example/web:1", True, id="the same image"),
        pytest.param("401 Unauthorized", "registry.example/web:2", True, id="a pull secret that has expired"),
        pytest.param("pull access denied", "registry.example/secret:2", False, id="a repository of its own"),
        pytest.param("", "registry.example/web:2", False, id="no word of the registry"),
    ],
)
def test_images(message, image, innocent):
    event = EventView(about="web-2-a", reason="Failed", message=message, at=ago(5))
    demands = {"images": {"app": image}}
    answer = _answer(_waiting("ImagePullBackOff", BACK_OFF), OLD, current=demands, events=(event,))
    assert bool(_why(answer)) is innocent


@pytest.mark.parametrize(
    ("old", "innocent"),
    [
        pytest.param({"ready": False, "unready_since": ago(100)}, True, id="not ready since the fault began"),
        pytest.param({"ready": False, "unready_since": ago(3600)}, False, id="not ready since long before"),
        pytest.param({"ready": False, "unready_since": ago(5)}, False, id="not ready for a moment"),
        pytest.param({"ready": False, "unready_since": ago(100), "revision": "0"}, False, id="a bad one of before"),
    ],
)
def test_pods_of_the_good_revision_that_turn_bad_in_the_same_minutes(old, innocent):
    answer = _answer(CRASHING, a_pod("web-1-a", **{"revision": "1", "ready_since": None, **old}))
    assert bool(_why(answer)) is innocent


@pytest.mark.parametrize(
    ("old", "early"),
    [
        pytest.param({"unready_since": ago(5)}, True, id="a moment ago"),
        pytest.param({"unready_since": ago(31)}, False, id="it lasts, so it counts"),
        pytest.param({"unready_since": None}, False, id="it was never ready"),
        pytest.param({"unready_since": ago(5), "revision": "2"}, False, id="a pod of the release itself"),
        pytest.param({"unready_since": ago(91), "node_lost": True}, False, id="its node is lost"),
    ],
)
def test_an_old_pod_that_has_just_become_unready_is_looked_at_again(old, early):
    pod = a_pod("web-1-a", **{"revision": "1", "ready": False, "ready_since": None, **old})
    assert bool(old_pods_pending(Findings(an_evidence(CRASHING, pod)))) is early


def _well(letter, since):
    return a_pod(f"web-2-{letter}", ready_since=ago(since))


@pytest.mark.parametrize(
    ("pods", "innocent"),
    [
        pytest.param((_well("b", 30), _well("c", 30)), True, id="two of three run well"),
        pytest.param((_well("b", 30), _well("c", 29)), False, id="one of them not for long"),
        pytest.param((_well("b", 30),), False, id="one of two is no majority"),
    ],
)
def test_a_majority_that_runs_well_acquits_the_release(pods, innocent):
    assert ("run well" in _why(_answer(CRASHING, *pods, workload=a_deployment()))) is innocent


def test_a_pod_proves_nothing_before_it_has_run_for_longer_than_those_that_failed():
    failed = a_pod("web-2-a", a_crashing_container(last=a_termination(started_at=ago(100), finished_at=ago(60))))
    assert not _why(_answer(failed, _well("b", 39), _well("c", 39)))
    assert _why(_answer(failed, _well("b", 40), _well("c", 40)))


def test_a_majority_does_not_excuse_a_place_that_only_this_release_asks_for():
    pod = a_pod("web-2-a", a_waiting_container(""), phase="Pending", unschedulable="no node", created_at=ago(200))
    assert not _why(_answer(pod, _well("b", 60), _well("c", 60), current={"placement": "elsewhere"}))


def test_only_the_failures_that_the_template_explains_are_shown():
    broken = a_pod("web-2-b", a_container_status(), a_crashing_container("mesh"))
    answer = _answer(broken, CRASHING, OLD, workload=an_unavailable_deployment(a_container()))
    assert not _why(answer)
    assert answer.container == "app"


STARTING = a_pod("web-2-a", a_container_status(ready=False), ready_since=None, created_at=ago(400))
UNREACHABLE = (LogTail(pod="web-2-a", container="app", lines=("dial tcp: lookup ledger: connection refused",)),)


@pytest.mark.parametrize(
    ("pods", "values", "innocent"),
    [
        pytest.param((STARTING,), {}, True, id="no replica serves"),
        pytest.param((STARTING, OLD), {}, False, id="old pods serve on"),
        pytest.param((CRASHING, OLD), {"logs": UNREACHABLE}, True, id="it cannot reach an address"),
        pytest.param((CRASHING, OLD), {}, False, id="it crashes by itself"),
        pytest.param((STARTING,), {"opened_at": ago(400)}, False, id="the other began later"),
    ],
)
def test_workloads_that_begin_to_fail_at_once_have_a_shared_cause(pods, values, innocent):
    other = a_brief("cart-1", workload="Deployment/cart", opened_at=ago(330), source="pods")
    workload = an_unavailable_deployment(available_replicas=0, progress_deadline_exceeded=True)
    why = _why(_answer(*pods, workload=workload, incidents=(other,), **values))
    assert ("Deployment/cart began to fail within the same minute" in why) is innocent
