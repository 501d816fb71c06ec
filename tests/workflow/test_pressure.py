"""SelfHealing and pressure: what one look has measured reaches the next one, through the history and nothing else."""

from builders import NOW, a_higher_maximum, a_report, a_scaling, a_step, ago
from workflow.healing_env import HEALED, NOT_HEALED, ScriptedActivities, judged, seen, written

from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.outcome import Presence
from prunella_workflows.model.plan import Plan

HOLDING = judged(reason="Holding").model_copy(update={"calm_since": NOW})
CALM = seen(Presence.WATCHING, "Calm")
CALM = CALM.model_copy(update={"sighting": CALM.sighting.model_copy(update={"calm_since": ago(5)})})
NOTHING_LEFT = a_report().model_copy(update={"plan": Plan(reason="ScalingDidNotHelp", message="It did not help.")})


async def test_the_calm_is_handed_from_look_to_look(workflow_env):
    activities = ScriptedActivities(
        confirm=[CALM, seen(Presence.WATCHING), CALM, seen()],
        diagnose=a_report(a_step(a_scaling())),
        verify=[HOLDING, judged(), HOLDING, HEALED],
    )
    status = await workflow_env.run_incident(activities)
    assert status.phase is Phase.HEALED
    assert [one.calm_since for one in activities.requests("confirm")] == [None, ago(5), None, ago(5)]
    assert [one.calm_since for one in activities.requests("verify")] == [None, NOW, None, NOW]
    assert {one.action for one in activities.requests("verify")} == {a_scaling()}


async def test_a_scaling_that_did_not_help_is_taken_back_and_handed_over(workflow_env):
    def scaled(order):
        return written(order, undo=a_scaling(replicas_from=5, replicas_to=3))

    activities = ScriptedActivities(
        diagnose=[a_report(a_step(a_scaling())), NOTHING_LEFT], repair=scaled, verify=NOT_HEALED
    )
    status = await workflow_env.run_incident(activities)
    assert (status.phase, status.reason) == (Phase.ESCALATED, "ScalingDidNotHelp")
    assert activities.writes == ["uid-incident-1", "uid-incident-1-undo"]
    (attempt,) = status.attempts
    assert (attempt.action, attempt.parameters, attempt.undone) == ("Scale", {"from": "3", "to": "5"}, True)


async def test_a_higher_maximum_is_told_as_such(workflow_env):
    activities = ScriptedActivities(diagnose=a_report(a_step(a_higher_maximum())))
    status = await workflow_env.run_incident(activities)
    assert "RaiseMaxReplicas (autoscaler web, from 3, to 5) healed Deployment/web" in status.message
