"""The ladder after a relapse: what did not last is replaced by the next step, or undone before people are called."""

from builders import (
    MI,
    WEB,
    a_brief,
    a_container,
    a_crashing_container,
    a_deployment,
    a_pod,
    a_policy,
    a_revision,
    ago,
    an_attempt,
    an_evidence,
    an_oom_kill,
)

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.playbooks import decide
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.plan import RestoreTemplate, SetMemory

MARKS = {"prunella.dev/before": "web-prunella-hash2", "prunella.dev/after": "hash-3"}
KILLED = a_pod("web-3-a", a_crashing_container(last=an_oom_kill()), revision="3", memory_limits={"app": 128 * MI})
RAISED = an_attempt(1, to="128Mi", started_at=ago(900), verdict="NotHealed", undone=False, incident="web-1")
ROLLED_BACK = an_attempt(1, action="RestoreTemplate", verdict="NotHealed", undone=False, incident="web-1")


def owner(**values):
    """The owner's template, of 64Mi, that the raise replaced."""
    revision = a_revision(2, memory_limits={"app": 64 * MI}, **values)
    return revision.model_copy(update={"ref": revision.ref.model_copy(update={"template_hash": "hash2"})})


def evidence(*revisions, pods=(KILLED,), available=2, **values):
    workload = a_deployment(
        a_container(memory_limit=128 * MI),
        template_hash="hash-3",
        revision="3",
        last_action="uid-incident-1",
        annotations=MARKS,
        available_replicas=available,
    )
    return an_evidence(*pods, workload=workload, revisions=revisions, **values)


def decided(found, *tried):
    return decide(Findings(found), a_policy(), tried)[1]


def test_a_release_that_outgrew_a_raise_is_rolled_back_and_an_undo_restores_the_owners_template():
    """Both templates of the release ran well for a while, which proves nothing: each ended by the same kill."""
    current = a_revision(3, current=True, good_at=ago(400), created_at=ago(900))
    own = owner(good_at=ago(950), created_at=ago(1800))
    plan = decided(evidence(current, own, a_revision(1, good_at=ago(7200))), RAISED)
    action = plan.steps[0].action
    assert isinstance(action, RestoreTemplate)
    assert (action.revision.name, action.undo_to.name) == ("web-1", "web-prunella-hash2")
    assert not plan.undoes


def test_an_old_release_that_needs_even_more_is_raised_from_the_owners_limit():
    current = a_revision(3, current=True, good_at=ago(400), created_at=ago(900))
    plan = decided(evidence(current, owner(good_at=ago(950)), a_revision(1, good_at=ago(99_000))), RAISED)
    action = plan.steps[0].action
    assert isinstance(action, SetMemory)
    assert (action.limit_from, action.limit_to, action.undo_to.template_hash) == (128 * MI, 192 * MI, "hash2")


def test_when_nothing_is_left_the_raise_is_undone_and_people_are_called():
    found = evidence(a_revision(3, current=True), owner(), memory_growing=("app",))
    plan = decided(found, RAISED)
    action = plan.steps[0].action
    assert (plan.undoes, plan.reason) == (True, "MemoryLeakSuspected")
    assert isinstance(action, RestoreTemplate)
    assert (action.revision.name, action.require.last_action) == ("web-prunella-hash2", "uid-incident-1")
    assert "SetMemory of web-1 is undone" in plan.message


def crashing(available, reason="Stable"):
    """Pods of the revision that was rolled back to crash."""
    crash = a_pod("web-3-a", a_crashing_container(), revision="3")
    earlier = a_brief("web-1", phase=Phase.HEALED, reason=reason)
    current = a_revision(3, current=True, good_at=ago(7200))
    return evidence(current, owner(), pods=(crash,), available=available, incidents=(earlier,))


def test_a_rollback_is_kept_while_pods_serve_by_it_and_named():
    plan = decided(crashing(available=2), ROLLED_BACK)
    assert (plan.steps, plan.undoes) == ((), False)
    assert "RestoreTemplate of web-1 is still in force" in plan.message


def test_a_rollback_by_which_nothing_serves_is_undone():
    plan = decided(crashing(available=0), ROLLED_BACK)
    assert (plan.undoes, plan.steps[0].action.target) == (True, WEB)


def test_a_rollback_that_no_new_pod_proved_is_undone_when_the_next_pod_fails():
    assert decided(crashing(available=2, reason="ServedByExistingPods"), ROLLED_BACK).undoes


def test_a_repair_of_a_lost_run_that_nobody_judged_is_not_undone():
    lost = an_attempt(1, action="RestoreTemplate", verdict="Inconclusive", undone=False)
    plan = decided(crashing(available=0), lost)
    assert (plan.steps, plan.undoes) == ((), False)
    assert "RestoreTemplate of a former run is still in force" in plan.message


def test_the_second_relapse_is_a_persons_with_the_history():
    older = an_attempt(1, incident="web-0")
    current = a_revision(3, current=True, good_at=ago(400), created_at=ago(900))
    plan = decided(evidence(current, owner(good_at=ago(950)), a_revision(1, good_at=ago(7200))), older, RAISED)
    assert (plan.reason, plan.undoes) == ("RelapsedAgain", True)
    assert "(web-0: SetMemory; web-1: SetMemory)" in plan.message


def test_without_a_relapse_the_plan_is_the_playbooks():
    found = evidence(a_revision(3, current=True), owner())
    assert decided(found).steps[0].action.undo_to is None
