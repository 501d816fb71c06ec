"""An action whose observed plans are never found to succeed begins at Approval: else it could never leave Observe."""

import pytest
from builders import (
    MI,
    NOW,
    WEB,
    a_deployment,
    a_memory_raise,
    a_policy,
    a_precondition,
    a_restart,
    a_rollback,
    a_spec,
    a_step,
    an_evidence,
)

from prunella_workflows.decisions.autonomy.level import judge
from prunella_workflows.decisions.autonomy.lowest_level import JUDGED_ACTIONS, find_lowest, lowest_of_action
from prunella_workflows.decisions.autonomy.trials import trial_of_plan
from prunella_workflows.model.aftermath import Aftermath, AftermathOutcome
from prunella_workflows.model.autonomy import AutonomyLevel, TrackRecord
from prunella_workflows.model.plan import EvictPods, PodRef, RaiseMaxReplicas, Relief, ResizePods, Scale, Settle

TARGET = {"target": WEB, "require": a_precondition()}
PODS = (PodRef(name="web-a", uid="uid-web-a"),)
RESIZE = ResizePods(**TARGET, container="app", limit_from=64 * MI, limit_to=96 * MI, pods=PODS)
CHECKED = a_policy(verification={"checks": [{"name": "errors", "query": 'x{pod=~"$pods"}', "threshold": 1}]})
READS_SECRET = a_deployment(references=("Secret/token",))


@pytest.mark.parametrize(
    ("action", "case", "expected"),
    [
        pytest.param(a_memory_raise(), {}, "Observe", id="memory"),
        pytest.param(RESIZE, {"kind": "OOMKilled"}, "Observe", id="a resize of running pods"),
        pytest.param(a_memory_raise(), {"workload": READS_SECRET}, "Approval", id="memory after a corrected Secret"),
        pytest.param(RESIZE, {"workload": READS_SECRET}, "Approval", id="a resize after a corrected Secret"),
        pytest.param(a_rollback(), {"workload": READS_SECRET}, "Observe", id="a rollback"),
        pytest.param(a_restart(), {}, "Observe", id="a restart"),
        pytest.param(a_restart(), {"workload": READS_SECRET}, "Approval", id="a restart after a corrected Secret"),
        pytest.param(Scale(**TARGET, replicas_from=2, replicas_to=3), {}, "Approval", id="more replicas"),
        pytest.param(
            RaiseMaxReplicas(**TARGET, autoscaler="web", max_from=2, max_to=3), {}, "Approval", id="a higher maximum"
        ),
        pytest.param(EvictPods(**TARGET, pods=PODS), {}, "Approval", id="an eviction"),
        pytest.param(a_memory_raise(), {"kind": "HighMemory"}, "Approval", id="a fault that pods do not show"),
        pytest.param(a_memory_raise(), {"policy": CHECKED}, "Approval", id="checks of the policy"),
        pytest.param(a_rollback(), {"settle": Settle(telemetry=True)}, "Approval", id="telemetry decides"),
        pytest.param(
            a_rollback(), {"settle": Settle(relief=Relief(resource="cpu", below=0.8))}, "Approval", id="usage decides"
        ),
    ],
)
def test_the_lowest_level(action, case, expected):
    assert lowest(action, **case) == expected


def lowest(action, kind="PodCrashLoop", policy=None, settle=None, **facts):
    step = a_step(action, **({"settle": settle} if settle else {}))
    return find_lowest(step, an_evidence(incident=a_spec(type=kind), **facts), policy or a_policy())


def test_without_a_plan_nothing_is_lifted():
    assert find_lowest(None, an_evidence(), CHECKED) is AutonomyLevel.OBSERVE


def test_of_an_action_in_all_incidents():
    assert lowest_of_action("SetMemory", a_policy()) is AutonomyLevel.OBSERVE
    assert lowest_of_action("SetMemory", CHECKED) is AutonomyLevel.APPROVAL
    assert lowest_of_action("Scale", a_policy()) is AutonomyLevel.APPROVAL


def test_the_reasons_say_it():
    rule = a_policy(autonomy={"enabled": True}).autonomy
    note = judge(TrackRecord(), rule, WEB, "Scale", AutonomyLevel.APPROVAL)
    assert (note.level, note.lowest) == ("Approval", "Approval")
    assert note.message == (
        "0 of 0 verified repairs and observed plans succeeded. Approval needs 0.5, Heal 0.8."
        " Approval is the lowest level here, because an observed plan of it is never found to succeed."
    )


@pytest.mark.parametrize("action", ["Scale", "RaiseMaxReplicas", "EvictPods"])
def test_a_plan_that_is_never_found_to_be_right_is_not_found_to_be_wrong_either(action):
    other = Aftermath(outcome=AftermathOutcome.OTHER_CHANGE, message="", changed_at=NOW, decided_at=NOW)
    assert action not in JUDGED_ACTIONS
    assert trial_of_plan("web-1", action, other) is None
