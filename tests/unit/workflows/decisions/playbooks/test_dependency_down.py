"""Playbook dependency_down: it waits, and evicts what would go on waiting once the dependency is back."""

import pytest
from builders import a_crashing_container, a_pod, a_policy, a_termination, ago, an_attempt, an_evidence

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.model.neighbours import DependencyView
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import EvictPods, PodRef
from prunella_workflows.model.workload import WorkloadRef


def waiting(restarts, crashed=60.0):
    """A pod in back-off after so many restarts."""
    last = a_termination(exit_code=1, finished_at=ago(crashed))
    return a_pod("web-2-a", a_crashing_container(last=last, restarts=restarts))


def planned(*pods, since=30, available=1, tried=()):
    ledger = DependencyView(
        ref=WorkloadRef(kind="Deployment", namespace="shop", name="ledger"),
        known_by="its annotation",
        wanted=1,
        available=available,
        serving_since=ago(since),
    )
    diagnosis, plan = decide(Findings(an_evidence(*pods, dependencies=(ledger,))), a_policy(), tried)
    assert diagnosis.cause is Cause.DEPENDENCY_DOWN
    return plan


def test_pods_in_a_long_back_off_are_evicted_once_the_dependency_is_back():
    plan = planned(waiting(restarts=6), a_pod("web-2-b"))
    (step,) = plan.steps
    assert isinstance(step.action, EvictPods)
    assert step.action.pods == (PodRef(name="web-2-a", uid="uid-web-2-a"),)
    assert (plan.optional, step.settle.timeout) == (True, 360)


@pytest.mark.parametrize(
    "plan",
    [
        pytest.param(planned(waiting(restarts=3)), id="it starts again in a moment"),
        pytest.param(planned(waiting(restarts=6, crashed=270.0)), id="most of the back-off is over"),
        pytest.param(planned(waiting(restarts=6), available=0), id="the dependency is down"),
        pytest.param(planned(waiting(restarts=6), tried=(an_attempt(action="EvictPods"),)), id="it was tried"),
    ],
)
def test_otherwise_it_waits(plan):
    assert (plan.steps, plan.optional) == ((), False)
