"""Playbook pod_oom_killed: recognised by the reason, repaired within every bound, never twice too often."""

import pytest
from builders import (
    GI,
    MI,
    NOW,
    a_brief,
    a_container,
    a_container_status,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_policy,
    a_restarted_container,
    a_revision,
    a_snapshot,
    a_spec,
    a_termination,
    a_waiting_container,
    ago,
    an_attempt,
    an_evidence,
    an_oom_kill,
    the_history,
)
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks.playbook import PlanCase
from prunella_workflows.decisions.playbooks.pod_oom_killed import diagnose, plan
from prunella_workflows.model.evidence import MemoryBounds
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import RestoreTemplate, SetMemory

KILLED = a_pod("web-2-a", a_crashing_container(last=an_oom_kill()))
KILL_BY_137 = a_pod("web-2-a", a_crashing_container(last=a_termination(exit_code=137)))


def _seen_killed(container):
    """An incident that a source opened as it saw this container OOM-killed."""
    incident = a_spec(type=IncidentType.OOM_KILLED, container_name=container)
    return {"incident": incident, "incident_name": "web-oom", "incidents": (a_brief("web-oom", source="pods"),)}


_SEEN = _seen_killed("app")


def _survivor(seconds):
    """A pod that was OOM-killed so many seconds ago (the incident was opened 300 s ago) and is ready."""
    return a_pod(
        "web-2-a", a_restarted_container(running_since=ago(seconds), last=an_oom_kill(finished_at=ago(seconds)))
    )


def _evidence(*containers, limits=None, bounds=None, **values):
    """One OOM-killed pod; its limits are the template's unless `limits` says otherwise."""
    workload = a_deployment(*containers, **values.pop("workload", {}))
    own = {
        container.name: container.memory_limit
        for container in workload.containers
        if container.memory_limit is not None
    }
    pod = KILLED.model_copy(update={"memory_limits": own if limits is None else limits})
    return an_evidence(pod, workload=workload, bounds=bounds or MemoryBounds(), **values)


def _plan(evidence, policy=None, *tried):
    diagnosis = diagnose(Findings(evidence))
    assert isinstance(diagnosis, Diagnosis)
    return plan(PlanCase(diagnosis, Findings(evidence), policy or a_policy(), tried))


def _first(evidence, policy=None, *tried):
    return _plan(evidence, policy, *tried).steps[0].action


@pytest.mark.parametrize(("low", "reason"), [(("app",), "NodeOutOfMemory"), (("proxy",), ""), ((), "")])
def test_memory_is_not_raised_when_the_container_stayed_far_below_its_limit(low, reason):
    left = _plan(_evidence(memory_low=low))
    assert (left.reason, bool(left.steps)) == (reason, not reason)
    assert not reason or "kubectl describe node node-a" in left.next_step


@pytest.mark.parametrize(
    ("evidence", "container"),
    [
        pytest.param(an_evidence(KILLED), "app", id="the last run ended by OOMKilled"),
        pytest.param(
            an_evidence(a_pod("web-2-a", a_restarted_container(last=an_oom_kill()))),
            "app",
            id="it runs again for a moment",
        ),
        pytest.param(
            an_evidence(_survivor(299), a_pod("web-2-b", a_crashing_container())),
            "app",
            id="a pod was killed since the incident was opened, and serves again",
        ),
        pytest.param(
            an_evidence(
                _survivor(301),
                a_pod("web-2-b", a_crashing_container()),
                incident=a_spec(type=IncidentType.OOM_KILLED),
            ),
            "app",
            id="the incident is about an OOM kill",
        ),
        pytest.param(
            an_evidence(_survivor(301), a_pod("web-2-b", a_crashing_container(last=a_termination(exit_code=137)))),
            "app",
            id="another pod's end is reported as 137",
        ),
        pytest.param(
            an_evidence(KILL_BY_137, **_SEEN),
            "app",
            id="137/Error now, and the incident was opened on an OOM kill of this container",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", a_crashing_container("init", init=True, last=an_oom_kill()), phase="Pending")),
            "init",
            id="an init container",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a"), a_pod("web-2-b", a_crashing_container("proxy", last=an_oom_kill()))),
            "proxy",
            id="a sidecar of one of several pods",
        ),
    ],
)
def test_recognises(evidence, container):
    diagnosis = diagnose(Findings(evidence))
    assert isinstance(diagnosis, Diagnosis)
    assert (diagnosis.cause, diagnosis.container) == (Cause.POD_OOM_KILLED, container)
    assert "OOM" in diagnosis.message
    assert diagnosis.decided_by


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(an_evidence(), id="healthy pods"),
        pytest.param(an_evidence(KILL_BY_137), id="137 without OOMKilled"),
        pytest.param(
            an_evidence(KILL_BY_137, **_seen_killed("proxy")),
            id="137 of another container than the one that was seen OOM-killed",
        ),
        pytest.param(
            an_evidence(
                a_pod("web-2-a", a_crashing_container(last=a_termination(exit_code=1))),
                **_SEEN,
            ),
            id="an exit of its own, though the incident was opened on an OOM kill",
        ),
        pytest.param(
            an_evidence(a_pod("web-2-a", a_crashing_container(last=an_oom_kill(exit_code=143)))),
            id="OOMKilled with 143",
        ),
        pytest.param(
            an_evidence(
                a_pod(
                    "web-2-a", a_container_status(running_since=ago(86400), last=an_oom_kill(finished_at=ago(86401)))
                ),
                a_pod("web-2-b", a_crashing_container()),
            ),
            id="a pod that serves was killed yesterday, and another one crashes today",
        ),
        pytest.param(
            an_evidence(_survivor(301), a_pod("web-2-b", a_crashing_container())),
            id="a pod has survived it when another one begins to crash",
        ),
        pytest.param(
            an_evidence(_survivor(301), a_pod("web-2-b", a_restarted_container(ready=False))),
            id="and that one runs for a moment",
        ),
        pytest.param(
            an_evidence(KILL_BY_137, incident=_SEEN["incident"], incident_name="web-oom"),
            id="137, and a person says that it was an OOM kill",
        ),
        pytest.param(
            an_evidence(
                a_pod(
                    "web-2-a",
                    a_container_status(ready=False, running_since=ago(900), restarts=1, last=an_oom_kill()),
                    unready_since=ago(60),
                )
            ),
            id="an OOM kill before the run that was ready and is not now",
        ),
        pytest.param(an_evidence(KILLED.model_copy(update={"deleting": True})), id="a pod on its way out"),
        pytest.param(an_evidence(KILLED.model_copy(update={"revision": "1"})), id="a pod of an earlier revision"),
    ],
)
def test_does_not_recognise(evidence):
    answer = diagnose(Findings(evidence))
    assert isinstance(answer, Rejected)
    assert answer.cause is Cause.POD_OOM_KILLED


@pytest.mark.parametrize(
    ("limit", "bounds", "policy", "expected"),
    [
        pytest.param(256 * MI, {}, {}, 384 * MI, id="a large limit grows by the factor"),
        pytest.param(64 * MI, {}, {}, 128 * MI, id="a small limit grows by the minimum step"),
        pytest.param(64 * MI, {}, {"limits": {"memoryFactor": 3}}, 192 * MI, id="the policy's factor"),
        pytest.param(64 * MI, {}, {"limits": {"memoryMinStep": "10Mi"}}, 96 * MI, id="the policy's minimum step"),
        pytest.param(100 * MI + 1, {}, {"limits": {"memoryMinStep": "1Mi"}}, 151 * MI, id="rounded up to whole Mi"),
        pytest.param(256 * MI, {}, {"limits": {"memoryMax": "300Mi"}}, 300 * MI, id="the policy's maximum"),
        pytest.param(256 * MI, {"container_max": 320 * MI}, {}, 320 * MI, id="the LimitRange's maximum"),
        pytest.param(256 * MI, {"node_max": 310 * MI}, {}, 310 * MI, id="the largest node"),
        pytest.param(256 * MI, {"quota_limits_free": 4 * GI}, {}, 384 * MI, id="a quota with room"),
        pytest.param(
            256 * MI,
            {"quota_limits_free": (256 + 4 * 50) * MI},
            {},
            306 * MI,
            id="a quota that must also hold the surge pod: 3 + 1 pods share what is free",
        ),
        pytest.param(256 * MI, {"ratio_max": 10}, {}, 320 * MI, id="the LimitRange's ratio of limit to request (32Mi)"),
        pytest.param(
            256 * MI, {"quota_requests_free": 0}, {}, 384 * MI, id="a quota of requests, and the request stays"
        ),
        pytest.param(
            256 * MI,
            {"container_max": 370 * MI, "node_max": 360 * MI, "quota_limits_free": 4 * GI},
            {"limits": {"memoryMax": "365Mi"}},
            360 * MI,
            id="the lowest of all bounds",
        ),
    ],
)
def test_raises_within_every_bound(limit, bounds, policy, expected):
    evidence = _evidence(a_container(memory_limit=limit), bounds=MemoryBounds(**bounds))
    action = _first(evidence, a_policy(**policy))
    assert isinstance(action, SetMemory)
    assert (action.container, action.limit_from, action.limit_to) == ("app", limit, expected)


def test_the_request_is_kept():
    action = _first(_evidence(a_container(memory_request=32 * MI)))
    assert (action.request_from, action.request_to) == (32 * MI, 32 * MI)


def test_a_request_equal_to_the_limit_is_raised_with_it_so_that_the_qos_class_stays():
    action = _first(_evidence(a_container(memory_request=64 * MI)))
    assert (action.request_from, action.request_to) == (64 * MI, action.limit_to)


def test_no_request_stays_no_request():
    action = _first(_evidence(a_container(memory_request=None)))
    assert (action.request_from, action.request_to) == (None, None)


@pytest.mark.parametrize("request_", [64 * MI, None], ids=["equal to the limit", "not set, so the pod gets the limit"])
def test_a_quota_of_requests_bounds_a_request_that_follows_the_limit(request_):
    bounds = MemoryBounds(quota_requests_free=(64 + 4 * 20) * MI)
    assert _first(_evidence(a_container(memory_request=request_), bounds=bounds)).limit_to == 84 * MI


def test_the_surge_pod_needs_room_for_its_sidecars_too():
    containers = a_container(memory_limit=256 * MI), a_container("proxy", index=1, memory_limit=100 * MI)
    bounds = MemoryBounds(quota_limits_free=(256 + 100 + 4 * 50) * MI)
    assert _first(_evidence(*containers, bounds=bounds)).limit_to == 306 * MI


def test_the_ratio_is_no_bound_for_a_request_that_follows():
    evidence = _evidence(a_container(memory_request=64 * MI), bounds=MemoryBounds(ratio_max=1.0))
    assert _first(evidence).limit_to == 128 * MI


def test_only_the_killed_container_is_touched():
    killed = a_pod("web-2-a", a_crashing_container("proxy", last=an_oom_kill()), memory_limits={"proxy": 32 * MI})
    workload = a_deployment(a_container(), a_container("proxy", index=1, memory_limit=32 * MI))
    action = _first(an_evidence(killed, workload=workload))
    assert (action.container, action.limit_from) == ("proxy", 32 * MI)


def test_an_init_container_is_raised_as_such():
    workload = a_deployment(a_container(), a_container("migrate", init=True, memory_limit=32 * MI))
    killed = a_pod("web-2-a", a_crashing_container("migrate", init=True, last=an_oom_kill()), memory_limits={})
    action = _first(an_evidence(killed, workload=workload))
    assert (action.container, action.init) == ("migrate", True)


def test_a_stateful_set_gets_its_killed_pod_replaced_and_only_that():
    """Otherwise it waits for the killed pod forever, and no pod gets the raise (kubernetes issue 67250)."""
    ref = a_deployment().ref.model_copy(update={"kind": "StatefulSet"})
    killed = a_pod("web-1", a_crashing_container(last=an_oom_kill()))
    action = _first(an_evidence(a_pod("web-0"), killed, workload=a_deployment(ref=ref)))
    assert [(pod.name, pod.uid) for pod in action.replace_pods] == [(killed.name, killed.uid)]


def test_a_pod_that_is_merely_not_ready_is_not_replaced():
    ref = a_deployment().ref.model_copy(update={"kind": "StatefulSet"})
    syncing = a_pod("web-0", a_container_status(ready=False), created_at=ago(7200))
    killed = a_pod("web-1", a_crashing_container(last=an_oom_kill()))
    action = _first(an_evidence(syncing, killed, workload=a_deployment(ref=ref)))
    assert [pod.name for pod in action.replace_pods] == ["web-1"]


def test_a_deployment_replaces_its_pods_itself():
    assert _first(_evidence()).replace_pods == ()


def test_the_write_is_bound_to_what_the_decision_was_made_on():
    action = _first(_evidence(workload={"last_action": "old-1", "template_hash": "hash-9"}))
    assert (action.require.uid, action.require.template_hash, action.require.last_action) == (
        "uid-web",
        "hash-9",
        "old-1",
    )


def test_the_step_is_judged_as_the_policy_says():
    policy = a_policy(verification={"window": "5m", "timeout": "10m"})
    (step,) = _plan(_evidence(), policy).steps
    assert (step.settle.window, step.settle.timeout) == (300, 600)


def test_a_second_raise_goes_further_from_the_owners_own_limit():
    action = _first(_evidence(a_container(memory_limit=256 * MI)), None, an_attempt(to="384Mi"))
    assert (action.limit_from, action.limit_to) == (256 * MI, 576 * MI)


def test_a_raise_of_another_container_does_not_count():
    evidence = _evidence(a_container(memory_limit=256 * MI))
    action = _first(evidence, None, an_attempt(to="1Gi", container="proxy"), an_attempt(2, to="1Gi", container="proxy"))
    assert action.limit_to == 384 * MI


def test_after_two_raises_a_leak_is_suspected():
    left = _plan(_evidence(), None, an_attempt(to="128Mi"), an_attempt(2, to="192Mi"))
    assert (left.steps, left.reason) == ((), "MemoryLeakSuspected")


def test_a_second_raise_that_would_not_be_higher_is_not_made():
    policy = a_policy(limits={"memoryMax": "128Mi"})
    left = _plan(_evidence(), policy, an_attempt(to="128Mi"))
    assert (left.steps, left.reason) == ((), "MemoryLeakSuspected")


@pytest.mark.parametrize(
    ("bounds", "policy", "by"),
    [
        ({}, {"limits": {"memoryMax": "64Mi"}}, "limits.memoryMax"),
        ({}, {"limits": {"memoryMax": "32Mi"}}, "limits.memoryMax"),
        ({"quota_limits_free": 0}, {}, "ResourceQuota"),
        ({"quota_limits_free": 64 * MI}, {}, "ResourceQuota"),
        ({"container_max": 64 * MI}, {}, "LimitRange"),
        ({"ratio_max": 2.0}, {}, "LimitRange"),
        ({"node_max": 64 * MI}, {}, "largest node"),
    ],
)
def test_a_limit_at_its_bound_is_handed_over_naming_the_bound(bounds, policy, by):
    left = _plan(_evidence(bounds=MemoryBounds(**bounds)), a_policy(**policy))
    assert (left.steps, left.reason) == ((), "MemoryAtMaximum")
    assert by in left.message


def test_a_container_without_a_limit_was_killed_by_the_node():
    left = _plan(_evidence(a_container(memory_limit=None)))
    assert (left.steps, left.reason) == ((), "NoMemoryLimit")
    assert "the node ran out" in left.message


def test_a_limit_that_only_the_pods_have_is_named():
    left = _plan(_evidence(a_container(memory_limit=None), limits={"app": 64 * MI}))
    assert (left.steps, left.reason) == ((), "NoMemoryLimit")
    assert "its pods got 64Mi from elsewhere" in left.message


def test_a_container_that_the_template_does_not_know_is_handed_over():
    killed = a_pod("web-2-a", a_crashing_container("injected", last=an_oom_kill()))
    assert _plan(an_evidence(killed)).reason == "NoMemoryLimit"


def test_a_limit_that_a_webhook_overwrites_is_not_raised_in_the_template():
    left = _plan(_evidence(limits={"app": 16 * MI}))
    assert (left.steps, left.reason) == ((), "LimitOverwritten")
    assert "16Mi, not the template's 64Mi" in left.message


def test_pods_that_tell_no_limit_decide_nothing():
    assert isinstance(_first(_evidence(limits={})), SetMemory)


def test_a_release_that_lowered_the_limit_is_rolled_back():
    revisions = a_revision(1, good_at=ago(7200), memory_limits={"app": 128 * MI}), a_revision(2, current=True)
    (step,) = _plan(_evidence(revisions=revisions)).steps
    assert isinstance(step.action, RestoreTemplate)
    assert step.action.revision.name == "web-1"


def test_a_rollback_that_did_not_help_is_followed_by_a_raise():
    revisions = a_revision(1, good_at=ago(7200), memory_limits={"app": 128 * MI}), a_revision(2, current=True)
    (step,) = _plan(_evidence(revisions=revisions), None, an_attempt(action="RestoreTemplate")).steps
    assert isinstance(step.action, SetMemory)


def test_a_limit_that_was_lower_long_before_is_no_reason_to_roll_back():
    """The current template was good once, so its limit is not news."""
    revisions = (
        a_revision(1, good_at=ago(7200), memory_limits={"app": 128 * MI}),
        a_revision(2, current=True, good_at=ago(60)),
    )
    (step,) = _plan(_evidence(revisions=revisions)).steps
    assert isinstance(step.action, SetMemory)


def test_a_new_release_with_the_same_limit_is_raised_first_and_rolled_back_next():
    left = _plan(_evidence(revisions=the_history()))
    assert [step.action.kind for step in left.steps] == ["SetMemory", "RestoreTemplate"]
    assert "roll back to revision 1" in left.next_step


@pytest.mark.parametrize("reason", ["ImagePullBackOff", "CreateContainerConfigError"])
def test_a_new_release_that_cannot_start_anyway_is_rolled_back_first(reason):
    pod = a_pod("web-2-a", a_crashing_container(last=an_oom_kill()), a_waiting_container(reason, "proxy"))
    (step,) = _plan(an_evidence(pod, revisions=the_history())).steps
    assert isinstance(step.action, RestoreTemplate)


def test_a_leak_that_is_new_in_this_release_is_rolled_back():
    left = _plan(_evidence(revisions=the_history()), None, an_attempt(), an_attempt(2, to="192Mi"))
    assert [step.action.kind for step in left.steps] == ["RestoreTemplate"]


def test_when_raises_and_rollback_did_not_help_a_person_is_asked():
    tried = an_attempt(), an_attempt(2, to="192Mi"), an_attempt(3, action="RestoreTemplate")
    assert _plan(_evidence(revisions=the_history()), None, *tried).steps == ()


def test_a_snapshot_serves_when_the_history_is_gone():
    left = _plan(_evidence(revisions=(a_snapshot(memory_limits={"app": GI}), a_revision(2, current=True))))
    assert left.steps[0].action.revision.source == "Snapshot"


@given(
    limit=st.integers(min_value=4 * MI, max_value=4 * GI),
    maximum=st.integers(min_value=1 * MI, max_value=8 * GI),
    node=st.none() | st.integers(min_value=1 * MI, max_value=8 * GI),
    free=st.none() | st.integers(min_value=0, max_value=16 * GI),
    raises=st.integers(min_value=0, max_value=3),
    replicas=st.integers(min_value=1, max_value=20),
)
def test_whatever_the_bounds_a_raise_is_a_raise_and_keeps_them(*, limit, maximum, node, free, raises, replicas):
    evidence = _evidence(
        a_container(memory_limit=limit),
        workload={"replicas": replicas},
        bounds=MemoryBounds(node_max=node, quota_limits_free=free),
        read_at=NOW,
    )
    policy = a_policy(limits={"memoryMax": maximum})
    tried = [an_attempt(number + 1, to=f"{limit + number}") for number in range(raises)]
    for step in _plan(evidence, policy, *tried).steps:
        target = step.action.limit_to
        assert limit < target <= maximum
        assert node is None or target <= node
        assert free is None or replicas * (target - limit) + target <= free


LEAKS = {"memory_growing": ("app",)}


def test_a_suspected_leak_is_told():
    diagnosis = diagnose(Findings(_evidence(**LEAKS)))
    assert "it may be leaking" in diagnosis.message
    assert "grew steadily" in diagnosis.decided_by[-1]
    assert "leak" not in diagnose(Findings(_evidence(memory_growing=("proxy",)))).message


def test_a_new_release_that_leaks_is_rolled_back_first():
    (only,) = _plan(_evidence(revisions=the_history(), **LEAKS)).steps
    assert isinstance(only.action, RestoreTemplate)


def test_a_leak_that_the_rollback_did_not_stop_gets_one_raise():
    evidence = _evidence(revisions=the_history(), **LEAKS)
    back = an_attempt(action="RestoreTemplate")
    assert isinstance(_first(evidence, None, back), SetMemory)
    plan_ = _plan(evidence, None, back, an_attempt(2, to="128Mi"))
    assert (plan_.steps, plan_.reason) == ((), "MemoryLeakSuspected")


def test_a_leak_without_a_new_release_gets_one_raise_only():
    assert isinstance(_first(_evidence(**LEAKS)), SetMemory)
    once = an_attempt(2, to="128Mi")
    assert _plan(_evidence(**LEAKS), None, once).reason == "MemoryLeakSuspected"
    assert _plan(_evidence(), None, once).steps


def test_of_pods_with_different_limits_those_of_the_killed_ones_count():
    """A webhook that came later has changed only the pods that were made since."""
    killed = a_pod("web-2-b", a_crashing_container(last=an_oom_kill()), memory_limits={"app": 20 * MI})
    evidence = an_evidence(a_pod("web-2-a"), killed)
    diagnosis = diagnose(Findings(evidence))
    assert isinstance(diagnosis, Diagnosis)
    assert plan(PlanCase(diagnosis, Findings(evidence), a_policy())).reason == "LimitOverwritten"
