"""Playbook high_cpu: confirmed by measurements alone, scaled out once within every bound, by who owns the number."""

import pytest
from builders import (
    WEB,
    a_brief,
    a_container,
    a_crashing_container,
    a_deployment,
    a_guard_case,
    a_pod,
    a_policy,
    a_spec,
    a_usage,
    ago,
    an_attempt,
    an_autoscaler,
    an_evidence,
    scaled_by,
)
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.guards import GUARDS, evaluate, first_block
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.decisions.playbooks.high_cpu import diagnose, plan
from prunella_workflows.decisions.playbooks.playbook import PlanCase
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.outcome import Cause, Diagnosis, Rejected
from prunella_workflows.model.plan import RaiseMaxReplicas, Scale
from prunella_workflows.model.scaling import Scaling

CPU = a_spec(type=IncidentType.HIGH_CPU)
CORE = a_container(cpu_request=0.5, cpu_limit=1.0)
NAMED = a_policy(actions=["Scale", "RaiseMaxReplicas"])


def an_incident(*used, replicas=3, **values):
    """Every pod of web may use one core; by default each uses 0.9."""
    pods = tuple(a_pod(f"web-2-{letter}") for letter in "abcdefghij"[:replicas])
    usage = a_usage(*(used or [0.9] * replicas))
    workload = a_deployment(CORE, replicas=replicas, **values.pop("workload", {}))
    return an_evidence(*pods, **{"incident": CPU, "workload": workload, "usage": usage, **values})


def _plan(evidence, policy=None, *tried):
    diagnosis = diagnose(Findings(evidence))
    assert isinstance(diagnosis, Diagnosis)
    return plan(PlanCase(diagnosis, Findings(evidence), policy or a_policy(), tried))


def replicas_after(evidence, policy=None):
    (step,) = _plan(evidence, policy).steps
    assert isinstance(step.action, Scale)
    return step.action.replicas_to


def test_recognises_what_is_measured():
    diagnosis = diagnose(Findings(an_incident(0.8, 0.8, 0.8)))
    assert (diagnosis.cause, diagnosis.container) == (Cause.HIGH_CPU, "app")
    assert "uses 80.0% of its CPU" in diagnosis.decided_by[0]


@pytest.mark.parametrize(
    "evidence",
    [
        pytest.param(an_incident(0.79, 0.79, 0.79), id="just below"),
        pytest.param(
            an_incident(1.0, 1.0, 0.1), id="one pod is idle: the work is not shared, more pods would not help"
        ),
        pytest.param(an_incident(incident=a_spec(type=IncidentType.HIGH_MEMORY)), id="another report"),
        pytest.param(an_incident(incident=a_spec()), id="no one reported it: no incident is made into another one"),
    ],
)
def test_does_not_recognise(evidence):
    assert isinstance(diagnose(Findings(evidence)), Rejected)


def test_what_was_reported_and_is_not_so_goes_to_a_person_with_the_figures():
    diagnosis, left = decide(Findings(an_incident(0.2, 0.2, 0.2)), a_policy())
    assert (diagnosis.cause, left.steps) == (Cause.UNKNOWN, ())
    assert "20.0% of its CPU" in next(item.reason for item in diagnosis.rejected if item.cause is Cause.HIGH_CPU)


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        pytest.param(an_incident(usage=None), "MetricsUnavailable", id="no metrics"),
        pytest.param(an_incident(0.9, None, None), "MetricsUnavailable", id="most pods were not measured"),
        pytest.param(an_incident(usage=a_usage(0.9, 0.9, 0.9, at=ago(600))), "MetricsUnavailable", id="old metrics"),
        pytest.param(
            an_evidence(incident=CPU, usage=a_usage(0.9, 0.9, 0.9)), "NoCpuRequest", id="nothing to compare with"
        ),
    ],
)
def test_without_figures_nothing_is_written(evidence, reason):
    diagnosis, left = decide(Findings(evidence), a_policy())
    assert (diagnosis.cause, left.steps, left.reason) == (Cause.HIGH_CPU, (), reason)
    assert diagnosis.confidence < 0.5
    assert left.next_step


def test_pods_that_fail_are_the_fault_whatever_they_use():
    failing = a_pod("web-2-a", a_crashing_container())
    evidence = an_evidence(failing, a_pod("web-2-b"), incident=CPU, usage=a_usage(0.9, 0.9))
    assert decide(Findings(evidence), a_policy())[0].cause is Cause.POD_CRASH_LOOP


@pytest.mark.parametrize(
    ("evidence", "policy", "expected"),
    [
        pytest.param(an_incident(0.9, 0.9, 0.9), {}, 5, id="3 x 90 % is 4.5 x 60 %"),
        pytest.param(an_incident(0.8, 0.8, 0.8), {}, 4, id="3 x 80 % is 4 x 60 %, floating point or not"),
        pytest.param(an_incident(3.0, 3.0, 3.0), {}, 6, id="at most doubled"),
        pytest.param(an_incident(1.0, replicas=1), {}, 2, id="a single replica"),
        pytest.param(an_incident(0.9, 0.9, 0.9), {"limits": {"replicasMax": 4}}, 4, id="the policy's maximum"),
        pytest.param(an_incident(replicas=8), {}, 10, id="the built-in maximum"),
        pytest.param(an_incident(scaling=Scaling(quota_free={"pods": 1})), {}, 4, id="a quota of pods"),
        pytest.param(
            an_incident(scaling=Scaling(quota_free={"requests.cpu": 0.9})), {}, 4, id="a quota of CPU requests"
        ),
        pytest.param(an_incident(scaling=Scaling(quota_free={"cpu": 0.5})), {}, 4, id="the same by its other name"),
        pytest.param(an_incident(scaling=Scaling(quota_free={"limits.cpu": 1.5})), {}, 4, id="a quota of CPU limits"),
        pytest.param(
            an_incident(scaling=Scaling(quota_free={"limits.memory": 70 << 20})), {}, 4, id="a quota of memory"
        ),
        pytest.param(
            an_incident(scaling=Scaling(quota_free={"pods": 50, "requests.storage": 0})), {}, 5, id="quotas with room"
        ),
    ],
)
def test_scales_out_within_every_bound(evidence, policy, expected):
    assert replicas_after(evidence, a_policy(**policy)) == expected


@pytest.mark.parametrize(
    ("evidence", "policy", "by"),
    [
        pytest.param(an_incident(), {"limits": {"replicasMax": 3}}, "limits.replicasMax", id="at the maximum"),
        pytest.param(an_incident(), {"limits": {"replicasMax": 2}}, "limits.replicasMax", id="above it already"),
        pytest.param(
            an_incident(scaling=Scaling(quota_free={"requests.cpu": 0.4})),
            {},
            "ResourceQuota of requests.cpu",
            id="quota",
        ),
        pytest.param(
            an_incident(scaling=Scaling(quota_free={"pods": -2})), {}, "ResourceQuota of pods", id="an overspent quota"
        ),
    ],
)
def test_at_a_bound_it_is_handed_over_naming_the_bound(evidence, policy, by):
    left = _plan(evidence, a_policy(**policy))
    assert (left.steps, left.reason) == ((), "ReplicasAtMaximum")
    assert by in left.message


def test_an_init_container_that_needs_more_than_the_rest_is_what_a_pod_takes_of_a_quota():
    evidence = an_incident(scaling=Scaling(quota_free={"requests.cpu": 2.0}))
    migrate = a_container("migrate", init=True, cpu_request=1.0)
    evidence = evidence.model_copy(update={"workload": a_deployment(migrate, CORE)})
    assert replicas_after(evidence) == 5
    evidence = evidence.model_copy(update={"scaling": Scaling(quota_free={"requests.cpu": 1.9})})
    assert replicas_after(evidence) == 4


def test_the_write_is_bound_to_what_the_decision_was_made_on_and_judged_by_what_is_used():
    (step,) = _plan(an_incident(workload={"last_action": "old-1"}), a_policy(verification={"timeout": "1m"})).steps
    require = step.action.require
    assert (require.uid, require.template_hash, require.last_action) == ("uid-web", "hash-2", "old-1")
    assert (step.action.replicas_from, step.action.parameters) == (3, {"from": "3", "to": "5"})
    relief = step.settle.relief
    assert (relief.resource, relief.container, relief.below) == ("cpu", "app", 0.8)
    assert step.settle.timeout == 180, "measurements come late"


def test_a_stateful_set_is_scaled_and_a_daemon_set_cannot_be():
    kinds = {kind: {"ref": WEB.model_copy(update={"kind": kind})} for kind in ("StatefulSet", "DaemonSet")}
    assert replicas_after(an_incident(workload=kinds["StatefulSet"])) == 5
    left = _plan(an_incident(workload=kinds["DaemonSet"]))
    assert (left.steps, left.reason) == ((), "CannotScale")


@pytest.mark.parametrize("action", ["Scale", "RaiseMaxReplicas"])
def test_one_step_an_incident(action):
    tried = an_attempt().model_copy(update={"action": action, "parameters": {"from": "3", "to": "5"}})
    left = _plan(an_incident(), NAMED, tried)
    assert (left.steps, left.reason) == ((), "ScalingDidNotHelp")


def test_a_repeated_alert_does_not_add_more():
    """The next incident follows right after the repair: the cooldown escalates it, whatever is measured."""
    repaired = a_brief("web-cpu", repaired_at=ago(60))
    evidence = an_incident(incidents=(repaired,), workload={"last_action": "uid-web-cpu-1"})
    diagnosis, left = decide(Findings(evidence), a_policy())
    case = a_guard_case(
        cause=diagnosis.cause,
        action=left.steps[0].action,
        incidents=evidence.incidents,
        incident="web-cpu-2",
        workload=evidence.workload,
    )
    assert first_block(evaluate(GUARDS, case)).reason == "RepairedRecently"


def test_the_alert_of_a_repair_that_helped_is_not_confirmed():
    """Alertmanager keeps firing for minutes after more pods share the load."""
    assert isinstance(diagnose(Findings(an_incident(0.54, 0.54, 0.54, 0.54, 0.54, replicas=5))), Rejected)


# With an autoscaler


def with_hpa(*used, **autoscaler):
    return an_incident(*used, scaling=scaled_by(an_autoscaler(**autoscaler)))


@pytest.mark.parametrize(
    ("scaling", "reason", "words"),
    [
        pytest.param(scaled_by(an_autoscaler(max_replicas=9)), "HpaActs", "wants 3 of at most 9", id="it acts"),
        pytest.param(
            scaled_by(an_autoscaler(max_replicas=9, desired_replicas=0)),
            "HpaActs",
            "is in charge",
            id="a new one will act",
        ),
        pytest.param(
            scaled_by(an_autoscaler(active=False)), "HpaCannotAct", "not able to scale", id="it has no metrics"
        ),
        pytest.param(
            scaled_by(an_autoscaler(min_replicas=3)), "HpaCannotAct", "its minimum and its maximum are 3", id="fixed"
        ),
        pytest.param(
            scaled_by(an_autoscaler(), an_autoscaler(name="other")), "HpaCannotAct", "both scale it", id="two of them"
        ),
        pytest.param(scaled_by(), "HpaAtMaximum", "do not include RaiseMaxReplicas", id="at its maximum"),
        pytest.param(
            scaled_by(an_autoscaler(operator="ScaledObject/web")), "HpaAtMaximum", "ScaledObject/web sets", id="KEDA's"
        ),
    ],
)
@pytest.mark.parametrize("actions", [[], ["Scale"]])
def test_an_autoscaler_decides_alone(scaling, reason, words, actions):
    left = _plan(an_incident(scaling=scaling), a_policy(actions=actions))
    assert (left.steps, left.reason) == ((), reason)
    assert words in left.message


def test_a_policy_that_names_it_lets_the_maximum_be_raised():
    (step,) = _plan(with_hpa(), NAMED).steps
    assert isinstance(step.action, RaiseMaxReplicas)
    assert (step.action.autoscaler, step.action.max_from, step.action.max_to) == ("web", 3, 5)
    assert (step.action.require.uid, step.action.require.template_hash) == ("uid-hpa", "")
    assert step.settle.relief is not None


def test_the_last_action_on_the_autoscaler_is_part_of_its_precondition():
    (step,) = _plan(with_hpa(last_action="old-1"), NAMED).steps
    assert step.action.require.last_action == "old-1"


@pytest.mark.parametrize(
    ("autoscaler", "command"),
    [
        ({}, """kubectl patch hpa web -n shop --type merge -p '{"spec":{"maxReplicas":5}}'"""),
        (
            {"operator": "ScaledObject/web-scaler"},
            """kubectl patch scaledobject web-scaler -n shop --type merge -p '{"spec":{"maxReplicaCount":5}}'""",
        ),
    ],
)
def test_a_person_gets_the_exact_command(autoscaler, command):
    assert _plan(with_hpa(**autoscaler)).next_step == command


def test_what_another_tool_would_write_back_is_not_raised_even_when_the_policy_names_it():
    assert _plan(with_hpa(operator="ScaledObject/web"), NAMED).steps == ()


def test_the_maximum_is_raised_within_the_policys_maximum():
    named = a_policy(actions=["RaiseMaxReplicas"], limits={"replicasMax": 4})
    assert _plan(with_hpa(), named).steps[0].action.max_to == 4
    left = _plan(with_hpa(), a_policy(actions=["RaiseMaxReplicas"], limits={"replicasMax": 3}))
    assert (left.steps, left.reason) == ((), "ReplicasAtMaximum")


@given(
    used=st.floats(min_value=0.8, max_value=50),
    replicas=st.integers(min_value=1, max_value=10),
    maximum=st.integers(min_value=1, max_value=50),
    pods=st.none() | st.integers(min_value=-1, max_value=20),
)
def test_whatever_is_used_a_scaling_is_one_and_keeps_the_bounds(used, replicas, maximum, pods):
    scaling = Scaling() if pods is None else Scaling(quota_free={"pods": pods})
    evidence = an_incident(*([used] * replicas), replicas=replicas, scaling=scaling)
    for step in _plan(evidence, a_policy(limits={"replicasMax": maximum})).steps:
        target = step.action.replicas_to
        assert replicas < target <= min(2 * replicas, maximum)
        assert pods is None or target - replicas <= pods
