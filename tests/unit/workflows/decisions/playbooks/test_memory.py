"""Resizing memory in running pods: conditions, expected result, and required permission."""

import pytest
from builders import (
    MI,
    NOW,
    a_container,
    a_crashing_container,
    a_deployment,
    a_memory_raise,
    a_pod,
    a_policy,
    ago,
    an_attempt,
    an_evidence,
    an_oom_kill,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.guards import GuardCase
from prunella_workflows.decisions.guards.ownership import check_field_owner
from prunella_workflows.decisions.guards.scaling import check_disruption
from prunella_workflows.decisions.playbooks.playbook import PlanCase
from prunella_workflows.decisions.playbooks.pod_oom_killed import PLAYBOOK
from prunella_workflows.decisions.verification.expectation import Expectation
from prunella_workflows.decisions.verification.verification import verify
from prunella_workflows.model.evidence import MemoryBounds
from prunella_workflows.model.kubectl import persistent_change_hint
from prunella_workflows.model.outcome import Verdict
from prunella_workflows.model.plan import PodRef, ResizePods, SetMemory, Settle
from prunella_workflows.model.scaling import Strategy

KILLED = a_pod("web-2-a", a_crashing_container(last=an_oom_kill(), waiting="", running_since=ago(5)))
DOWN = a_pod("web-2-a", a_crashing_container(last=an_oom_kill()))
FINE = (a_pod("web-2-b"), a_pod("web-2-c"))
OFFERED = MemoryBounds(resize_offered=True)
IN_PLACE = {"limits": {"resize": "InPlace"}}
RESIZE = ResizePods(
    **a_memory_raise(128 * MI).model_dump(exclude={"kind", "init", "replace_pods"}), pods=(PodRef(name="p", uid="u"),)
)


def first(*tried, policy=IN_PLACE, bounds=OFFERED, pods=(KILLED, *FINE), **workload):
    evidence = an_evidence(*pods, workload=a_deployment(**workload), bounds=bounds)
    return (
        PLAYBOOK.plan(PlanCase(PLAYBOOK.diagnose(Findings(evidence)), Findings(evidence), a_policy(**policy), tried))
        .steps[0]
        .action
    )


def test_the_first_raise_is_made_in_all_running_pods():
    action = first()
    assert isinstance(action, ResizePods)
    assert [pod.name for pod in action.pods] == ["web-2-a", "web-2-b", "web-2-c"]
    assert (action.container, action.limit_from, action.limit_to) == ("app", 64 * MI, 128 * MI)


@pytest.mark.parametrize(
    "case",
    [
        pytest.param({"policy": {}}, id="not preferred by the policy"),
        pytest.param({"policy": {**IN_PLACE, "actions": ["SetMemory"]}}, id="the policy does not name it"),
        pytest.param({"bounds": MemoryBounds()}, id="the cluster does not offer it"),
        pytest.param({"pods": (KILLED, FINE[0])}, id="a pod is missing"),
        pytest.param({"pods": (DOWN, *FINE)}, id="a container is in back-off"),
        pytest.param({"pods": (KILLED, FINE[0], a_pod("web-1-a", revision="1"))}, id="a rollout goes on"),
        pytest.param({"pods": (KILLED, FINE[0], a_pod("c", node=""))}, id="a pod has no node"),
        pytest.param({"pods": (KILLED, FINE[0], a_pod("c", memory_limits={"app": 80 * MI}))}, id="another limit"),
    ],
)
def test_otherwise_it_is_rolled_out(case):
    assert isinstance(first(**case), SetMemory)


RECREATE = Strategy(kind="Recreate", max_unavailable=3, max_surge=0)


def test_running_pods_are_resized_first_where_a_rollout_would_take_the_healthy_ones_away():
    assert isinstance(first(policy={}, strategy=RECREATE), ResizePods)
    assert isinstance(first(policy={"actions": ["SetMemory"]}, strategy=RECREATE), SetMemory)
    assert isinstance(first(policy={}, strategy=RECREATE, pods=(KILLED,), replicas=1), SetMemory)


@pytest.mark.parametrize(("maximum", "to"), [("2Gi", 192 * MI), ("128Mi", 128 * MI)])
def test_the_second_raise_is_rolled_out(maximum, to):
    tried = an_attempt(action="ResizePods", parameters={"container": "app", "from": "64Mi", "to": "128Mi"})
    action = first(tried, policy={"limits": {"resize": "InPlace", "memoryMax": maximum}})
    assert isinstance(action, SetMemory)
    assert action.limit_to == to


def judged(*pods):
    workload = a_deployment(replicas=len(pods), template_hash="hash-2", last_action="a")
    settle = Settle(timeout=120, window=60)
    expected = Expectation(
        template_hash="hash-2",
        template_before="hash-2",
        action_id="a",
        written_at=ago(90),
        settle=settle,
        resized=("app", 128 * MI),
    )
    return verify(workload, pods, expected, NOW)


BIG = {"app": 128 * MI}


def killed(ended, *, began=None):
    """A resized pod whose last run began and was killed so many seconds ago."""
    times = {"started_at": ago(began) if began else None, "finished_at": ago(ended)}
    return a_pod("a", a_crashing_container(last=an_oom_kill(**times)), memory_limits=BIG)


@pytest.mark.parametrize(
    ("pods", "verdict", "reason"),
    [
        pytest.param([a_pod(memory_limits=BIG)], Verdict.HEALED, "Stable", id="it has it"),
        pytest.param([a_pod(memory_limits=BIG, resizing=True)], None, "Settling", id="being applied"),
        pytest.param([a_pod(memory_limits=BIG), a_pod("n")], Verdict.NOT_HEALED, "NotResized", id="recreated"),
        pytest.param(
            [a_pod(memory_limits=BIG, resize_refused="Infeasible: x")],
            Verdict.NOT_HEALED,
            "ResizeRefused",
            id="the kubelet refuses",
        ),
        pytest.param([killed(5)], Verdict.NOT_HEALED, "Relapse", id="killed again"),
        pytest.param([killed(85)], Verdict.NOT_HEALED, "Relapse", id="killed right after the write"),
        pytest.param(
            [killed(85, began=95)],
            None,
            "Settling",
            id="a run from before, killed before the kubelet can have applied it",
        ),
        pytest.param([killed(55, began=95)], Verdict.NOT_HEALED, "Relapse", id="a run from before, killed later"),
        pytest.param([killed(85, began=88)], Verdict.NOT_HEALED, "Relapse", id="a run with the new limit"),
    ],
)
def test_verify(pods, verdict, reason):
    judgement = judged(*pods)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


def test_what_runs_is_in_no_source_and_no_pod_is_replaced():
    workload = a_deployment(labels={"app.kubernetes.io/managed-by": "Helm"})
    case = GuardCase(now=NOW, workload=workload, action=RESIZE, namespace_labels={}, policy=a_policy())
    assert check_field_owner(case) is None
    assert check_field_owner(case.model_copy(update={"action": a_memory_raise()})) is not None
    assert check_disruption(case) is None


def test_the_lasting_change_is_told():
    told = persistent_change_hint(RESIZE)
    assert "New pods will have 64Mi again" in told
    assert "kubectl set resources Deployment/web -n shop -c app --limits=memory=128Mi" in told
    assert persistent_change_hint(a_memory_raise()) == ""


def test_an_init_container_is_rolled_out():
    pod = a_pod("a", a_crashing_container("app", init=True, last=an_oom_kill()), phase="Pending")
    evidence = an_evidence(pod, workload=a_deployment(a_container(init=True), replicas=1), bounds=OFFERED)
    (step,) = PLAYBOOK.plan(
        PlanCase(PLAYBOOK.diagnose(Findings(evidence)), Findings(evidence), a_policy(**IN_PLACE))
    ).steps[:1]
    assert isinstance(step.action, SetMemory)
