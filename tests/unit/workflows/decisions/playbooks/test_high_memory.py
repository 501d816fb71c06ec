"""Playbook high_memory: a raise before the OOM kill, or more replicas where the policy wants those instead."""

import pytest
from builders import (
    MI,
    a_container,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_policy,
    a_spec,
    a_usage,
    an_attempt,
    an_evidence,
    an_oom_kill,
    scaled_by,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.decisions.playbooks.high_memory import diagnose, plan
from prunella_workflows.decisions.playbooks.playbook import PlanCase
from prunella_workflows.model.evidence import MemoryBounds
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import Scale, SetMemory

MEMORY = a_spec(type=IncidentType.HIGH_MEMORY)
SCALE_INSTEAD = a_policy(actions=["Scale", "RestoreTemplate"])


def an_incident(*used, **values):
    """Every pod of web may use 64 MiB; by default the fullest uses 60."""
    usage = a_usage(*(used or (40, 60, 40)), cpu=False)
    return an_evidence(**{"incident": MEMORY, "usage": usage, **values})


def _plan(evidence, policy=None, *tried):
    diagnosis = diagnose(Findings(evidence))
    assert isinstance(diagnosis, Diagnosis)
    return plan(PlanCase(diagnosis, Findings(evidence), policy or a_policy(), tried))


def test_recognises_one_container_of_one_pod_that_is_about_to_reach_its_limit():
    diagnosis = diagnose(Findings(an_incident(32, 57.6, 32)))
    assert (diagnosis.cause, diagnosis.container) == (Cause.HIGH_MEMORY, "app")
    assert "uses 90.0% of its memory in the fullest pod" in diagnosis.decided_by[0]


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(an_incident(57, 57, 57), id="just below"),
        pytest.param(an_incident(incident=a_spec(type=IncidentType.HIGH_CPU)), id="another report"),
    ],
)
def test_does_not_recognise(evidence):
    assert isinstance(diagnose(Findings(evidence)), Rejected)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        pytest.param(an_incident(usage=None), "MetricsUnavailable", id="no metrics"),
        pytest.param(
            an_incident(workload=a_deployment(a_container(memory_limit=None))).model_copy(
                update={"pods": (a_pod("web-2-a", memory_limits={}),)}
            ),
            "NoMemoryLimit",
            id="no limit",
        ),
    ],
)
def test_without_figures_nothing_is_written(evidence, reason):
    diagnosis, left = decide(Findings(evidence), a_policy())
    assert (diagnosis.cause, left.steps, left.reason) == (Cause.HIGH_MEMORY, (), reason)


def test_an_oom_kill_is_one():
    killed = a_pod("web-2-a", a_crashing_container(last=an_oom_kill()))
    evidence = an_evidence(killed, a_pod("web-2-b"), incident=MEMORY, usage=a_usage(60, 60, cpu=False))
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.POD_OOM_KILLED


def test_the_limit_of_that_container_is_raised():
    (step,) = _plan(an_incident()).steps
    assert isinstance(step.action, SetMemory)
    assert (step.action.container, step.action.limit_from, step.action.limit_to) == ("app", 64 * MI, 128 * MI)
    relief = step.settle.relief
    assert (relief.resource, relief.container, relief.below) == ("memory", "app", 0.9)


@pytest.mark.parametrize(
    ("bounds", "policy", "expected"),
    [
        ({}, {"limits": {"memoryMax": "80Mi"}}, 80),
        ({"node_max": 90 * MI}, {}, 90),
        ({"container_max": 70 * MI}, {}, 70),
        ({"quota_limits_free": (64 + 4 * 20) * MI}, {}, 84),
    ],
)
def test_within_every_bound(bounds, policy, expected):
    (step,) = _plan(an_incident(bounds=MemoryBounds(**bounds)), a_policy(**policy)).steps
    assert step.action.limit_to == expected * MI


def test_at_a_bound_it_is_handed_over():
    left = _plan(an_incident(), a_policy(limits={"memoryMax": "64Mi"}))
    assert (left.steps, left.reason) == ((), "MemoryAtMaximum")


def test_a_second_raise_and_then_a_leak_is_suspected():
    (step,) = _plan(an_incident(), None, an_attempt(to="128Mi")).steps
    assert step.action.limit_to == 192 * MI
    left = _plan(an_incident(), None, an_attempt(to="128Mi"), an_attempt(2, to="192Mi"))
    assert (left.steps, left.reason) == ((), "MemoryLeakSuspected")


def test_a_limit_that_a_webhook_overwrites_is_not_raised_in_the_template():
    pods = tuple(a_pod(f"web-2-{letter}", memory_limits={"app": 32 * MI}) for letter in "abc")
    left = _plan(an_incident(30, 30, 30).model_copy(update={"pods": pods}))
    assert (left.steps, left.reason) == ((), "LimitOverwritten")


def test_a_policy_that_allows_scaling_and_no_raise_gets_more_replicas():
    (step,) = _plan(an_incident(), SCALE_INSTEAD).steps
    assert isinstance(step.action, Scale)
    assert (step.action.replicas_from, step.action.replicas_to) == (3, 5)
    assert step.settle.relief.resource == "memory"


@pytest.mark.parametrize("actions", [[], ["Scale", "SetMemory"], ["SetMemory"], ["RestoreTemplate"]])
def test_any_other_policy_means_memory(actions):
    """An action that it does not allow at all is blocked by the guard."""
    (step,) = _plan(an_incident(), a_policy(actions=actions)).steps
    assert isinstance(step.action, SetMemory)


def test_scaling_leaves_the_replicas_of_an_autoscaler_alone():
    left = _plan(an_incident(scaling=scaled_by()), SCALE_INSTEAD)
    assert (left.steps, left.reason) == ((), "HpaAtMaximum")
