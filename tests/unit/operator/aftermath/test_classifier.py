"""Scripted people after an observed incident: what is said about them, and above all what is not."""

import copy

import pytest
from fakes.aftermath import BAD, GOOD, MI, RAISE, RAISE_BOTH, RESIZE, RESTART, UNDO, Shop, minute, observed
from fakes.objects import a_template
from hypothesis import given, settings
from hypothesis import strategies as st

from prunella_operator.aftermath.classifier import classify
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_workflows.model.aftermath import AftermathOutcome as Outcome
from prunella_workflows.model.plan import Relief, Settle

DAY = 24 * 60
DIGEST = "sha256:" + "a" * 64
HEALED = Outcome.SAME_CHANGE


def memory(limit, request="16Mi", version=2, **values):
    """The bad release with other memory."""
    template = a_template(version, memory=limit, **values)
    template["spec"]["containers"][0]["resources"]["requests"]["memory"] = request
    return template


def image(name, template=GOOD):
    changed = copy.deepcopy(template)
    changed["spec"]["containers"][0]["image"] = name
    return changed


def digest_shop(running):
    """The pods run this image, whose digest the kubelet reports."""
    shop = Shop().change(image(running), 20).works(21)
    shop.image_id = f"registry.example/web@{DIGEST}"
    return shop


def by_digest():
    """Release 1 was named by its digest, the owner names its tag."""
    shop = digest_shop("registry.example/web:1")
    planned = image(f"registry.example/web@{DIGEST}")
    shop.revisions[0]["spec"]["template"] = planned
    return shop


def unrolled():
    shop = Shop().undo(20).works(21)
    shop.rolled_out = False
    return shop


def pinned():
    """The plan restores release 1 by its digest."""
    wanted = template_hash(image(f"registry.example/web@{DIGEST}"))
    return UNDO.model_copy(update={"revision": UNDO.revision.model_copy(update={"template_hash": wanted})})


PINNED = pinned()
SECRET = [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "t"}}}]
WITH_SECRET, GOOD_WITH_SECRET = a_template(2, env=SECRET), a_template(1, env=SECRET)
UNDO_WITH_SECRET = UNDO.model_copy(
    update={"revision": UNDO.revision.model_copy(update={"template_hash": template_hash(GOOD_WITH_SECRET)})}
)
RESTART_WITH_SECRET, RAISE_WITH_SECRET, RESIZE_WITH_SECRET = (
    action.model_copy(
        update={"require": action.require.model_copy(update={"template_hash": template_hash(WITH_SECRET)})}
    )
    for action in (RESTART, RAISE, RESIZE)
)

STORIES = {
    # the same change
    "rollout undo after minutes": (UNDO, lambda: Shop().undo(23).works(24), 60, HEALED),
    "rollout undo after hours": (UNDO, lambda: Shop().undo(300).works(301), 340, HEALED),
    "set image back to the good tag": (
        UNDO,
        lambda: Shop().change(image("registry.example/web:1", BAD), 9).works(10),
        60,
        HEALED,
    ),
    "undo, ready only after several crashes": (UNDO, lambda: Shop().undo(10).works(50), 90, HEALED),
    "memory as planned": (RAISE, lambda: Shop().change(memory("128Mi"), 5).works(6), 40, HEALED),
    "memory as planned for the running pods": (RESIZE, lambda: Shop().change(memory("128Mi"), 5).works(6), 40, HEALED),
    "more memory than planned for the running pods": (
        RESIZE,
        lambda: Shop().change(memory("256Mi"), 5).works(6),
        40,
        Outcome.OTHER_CHANGE,
    ),
    "memory as planned, in bytes": (RAISE, lambda: Shop().change(memory(str(128 * MI)), 5).works(6), 40, HEALED),
    "memory and request as planned": (
        RAISE_BOTH,
        lambda: Shop().change(memory("128Mi", "32Mi"), 5).works(6),
        40,
        HEALED,
    ),
    "rollout restart, as planned": (RESTART, lambda: Shop().restart(15).works(16), 60, HEALED),
    "the same image by tag, where the plan had the digest": (PINNED, by_digest, 60, HEALED),
    "undo by a deployment tool": (
        UNDO,
        lambda: Shop().change(copy.deepcopy(GOOD), 30, "argocd-controller").works(31),
        70,
        HEALED,
    ),
    "undo, and an autoscaler added pods": (
        UNDO,
        lambda: Shop().undo(20).scale(4, 25, "kube-controller-manager").works(26),
        60,
        HEALED,
    ),
    # the plan was wrong
    "undo did not help": (UNDO, lambda: Shop().undo(20).crashes(DAY - 3), DAY, Outcome.SAME_CHANGE_FAILED),
    "memory as planned was not enough": (
        RAISE,
        lambda: Shop().change(memory("128Mi"), 60).crashes(DAY - 9),
        DAY,
        Outcome.SAME_CHANGE_FAILED,
    ),
    "restart helped for ten minutes": (
        RESTART,
        lambda: Shop().restart(20).crashes(34).opens(30),
        40,
        Outcome.SAME_CHANGE_FAILED,
    ),
    # another way
    "memory raised more than planned": (
        RAISE,
        lambda: Shop().change(memory("256Mi"), 5).works(6),
        40,
        Outcome.OTHER_CHANGE,
    ),
    "memory raised less than planned": (
        RAISE,
        lambda: Shop().change(memory("96Mi"), 5).works(6),
        40,
        Outcome.OTHER_CHANGE,
    ),
    "memory as planned and a larger request": (
        RAISE,
        lambda: Shop().change(memory("128Mi", "128Mi"), 5).works(6),
        40,
        Outcome.OTHER_CHANGE,
    ),
    "memory as planned in a new release": (
        RAISE,
        lambda: Shop().change(memory("128Mi", version=3), 5).works(6),
        40,
        Outcome.OTHER_CHANGE,
    ),
    "memory as planned and a new variable": (
        RAISE,
        lambda: Shop().change(memory("128Mi", env=[{"name": "A", "value": "b"}]), 5).works(6),
        40,
        Outcome.OTHER_CHANGE,
    ),
    "a release that fixes forward": (
        UNDO,
        lambda: Shop().change(a_template(3), 45, "helm").works(46),
        90,
        Outcome.OTHER_CHANGE,
    ),
    "undo, then a release that fixes forward": (
        UNDO,
        lambda: Shop().undo(10).change(a_template(3), 20).works(21),
        60,
        Outcome.OTHER_CHANGE,
    ),
    "undo and scaled": (UNDO, lambda: Shop().undo(10).scale(6, 12).works(13), 60, Outcome.OTHER_CHANGE),
    "undo to an image with another digest": (
        PINNED,
        lambda: digest_shop(f"registry.example/web@sha256:{'b' * 64}"),
        60,
        Outcome.OTHER_CHANGE,
    ),
    "rolled back although more memory was planned": (
        RAISE,
        lambda: Shop().undo(10).works(11),
        60,
        Outcome.OTHER_CHANGE,
    ),
    "restarted although an undo was planned": (UNDO, lambda: Shop().restart(10).works(11), 60, Outcome.OTHER_CHANGE),
    "scaled": (UNDO, lambda: Shop().scale(5, 30).works(31), 70, Outcome.OTHER_CHANGE),
    "deleted and created again, as planned": (
        UNDO,
        lambda: Shop().recreate(GOOD, 12).works(13),
        60,
        Outcome.OTHER_CHANGE,
    ),
    # nothing
    "nothing, and recovered": (UNDO, lambda: Shop().works(8), 60, Outcome.RECOVERED),
    "nothing, an autoscaler scaled, and recovered": (
        UNDO,
        lambda: Shop().scale(2, 20, "kube-controller-manager").works(8),
        60,
        Outcome.RECOVERED,
    ),
    "nothing, and it went on": (UNDO, lambda: Shop().crashes(DAY - 4), DAY, Outcome.PERSISTED),
    "nothing, and between two crashes": (UNDO, lambda: Shop().crashes(DAY - 5).works(DAY - 2), DAY, Outcome.NOT_KNOWN),
    "another change did not help": (
        UNDO,
        lambda: Shop().change(a_template(3), 45).crashes(DAY - 2),
        DAY,
        Outcome.PERSISTED,
    ),
    "deleted": (UNDO, lambda: Shop().delete(), 60, Outcome.DELETED),
    # what the cluster does not show
    "pods deleted by someone": (RESTART, lambda: Shop().replace_pods(30).works(31), 70, Outcome.NOT_KNOWN),
    "a tool wrote the same": (UNDO, lambda: Shop().touch(30).works(31), 70, Outcome.NOT_KNOWN),
    "Prunella healed a later incident": (
        UNDO,
        lambda: Shop().change(GOOD, 60, "prunella").works(61),
        100,
        Outcome.NOT_KNOWN,
    ),
    "scaled to zero": (UNDO, lambda: Shop().scale(0, 30), DAY, Outcome.NOT_KNOWN),
    "undo after the time is over": (UNDO, lambda: Shop().undo(DAY + 5).works(DAY + 6), DAY + 50, Outcome.NOT_KNOWN),
    "recovered, and no one looked for a day": (UNDO, lambda: Shop().works(8), 3 * DAY, Outcome.NOT_KNOWN),
    "undo, and an incident about a crash before it": (UNDO, lambda: Shop().undo(15).works(16).opens(14), 60, HEALED),
    "undo, and a pod crashed that it replaced": (UNDO, lambda: Shop().undo(15).works(17).opens(16), 60, HEALED),
    "undo, and another incident followed": (
        UNDO,
        lambda: Shop().undo(20).works(60).opens(50, "HighCPU"),
        DAY,
        Outcome.NOT_KNOWN,
    ),
    "a rollback of all pods that may follow a corrected Secret": (
        UNDO_WITH_SECRET,
        lambda: Shop().change(GOOD_WITH_SECRET, 15).works(16),
        60,
        Outcome.NOT_KNOWN,
    ),
    "a rollback to pods that had read the Secret before": (
        UNDO_WITH_SECRET,
        lambda: Shop().change(GOOD_WITH_SECRET, 15).older_pods().works(16),
        60,
        HEALED,
    ),
    "more memory, which may follow a corrected Secret": (
        RAISE_WITH_SECRET,
        lambda: Shop(WITH_SECRET).change(memory("128Mi", env=SECRET), 5).works(6),
        40,
        Outcome.NOT_KNOWN,
    ),
    "more memory for running pods that may have read a corrected Secret": (
        RESIZE_WITH_SECRET,
        lambda: Shop(WITH_SECRET).change(memory("128Mi", env=SECRET), 5).older_pods().works(6),
        40,
        Outcome.NOT_KNOWN,
    ),
    "more memory was not enough, whatever the Secret": (
        RAISE_WITH_SECRET,
        lambda: Shop(WITH_SECRET).change(memory("128Mi", env=SECRET), 60).crashes(DAY - 9),
        DAY,
        Outcome.SAME_CHANGE_FAILED,
    ),
    "a restart that may follow a corrected Secret": (
        RESTART_WITH_SECRET,
        lambda: Shop(WITH_SECRET).restart(15).works(16),
        60,
        Outcome.NOT_KNOWN,
    ),
    "a restart that did not help, whatever the Secret": (
        RESTART_WITH_SECRET,
        lambda: Shop(WITH_SECRET).restart(20).crashes(34).opens(30),
        40,
        Outcome.SAME_CHANGE_FAILED,
    ),
}


def judge(action, story, at):
    found = classify(observed(action), story().look(at))
    return found.outcome if found else None


@pytest.mark.parametrize("name", STORIES)
def test_story(name):
    action, story, at, expected = STORIES[name]
    assert judge(action, story, at) is expected


def test_no_story_is_a_false_claim_of_a_heal_at_any_time():
    """Also while a story is under way, and long after it."""
    for name, (action, story, at, expected) in STORIES.items():
        said = {judge(action, story, moment) for moment in range(at, 3 * DAY, 95)}
        assert expected is HEALED or HEALED not in said, name


@pytest.mark.parametrize("at", [1, 20, 52])
def test_before_health_has_lasted_nothing_is_said(at):
    assert judge(UNDO, lambda: Shop().undo(0).works(23), at) is None
    assert judge(UNDO, Shop, at) is None


def test_at_the_end_of_the_time_short_health_is_not_enough():
    assert judge(UNDO, lambda: Shop().undo(DAY - 2).works(DAY - 1), DAY) is Outcome.NOT_KNOWN


def test_a_crash_while_the_change_is_rolled_out_does_not_make_the_plan_wrong():
    shop = Shop().undo(15).crashes(16).opens(16)
    shop.rolled_out = False
    assert classify(observed(), shop.look(17)) is None
    shop.rolled_out = True
    assert classify(observed(), shop.look(17)).outcome is Outcome.SAME_CHANGE_FAILED


def test_a_rollout_that_has_not_reached_all_pods_proves_nothing():
    assert judge(UNDO, unrolled, 90) is None


def test_the_times_and_the_evidence_are_kept():
    found = classify(observed(UNDO), Shop().undo(23).works(24).look(60))
    assert (found.changed_at, found.healthy_since, found.decided_at) == (minute(23), minute(24), minute(60))
    assert found.message == (
        "The planned change was made by kubectl-rollout: roll back to revision 1. It has been healthy since."
    )
    assert found.evidence == (
        "The planned change was made by kubectl-rollout: roll back to revision 1 (2026-11-24 12:23:00 UTC).",
        "All pods have been ready since 2026-11-24 12:24:00 UTC.",
    )


def test_what_was_well_before_the_change_was_not_healed_by_it():
    shop = Shop().undo(23).works(24)
    assert classify(observed(UNDO), shop.look(60, well_unchanged=True)).outcome is Outcome.NOT_KNOWN


def test_what_pods_do_not_show_is_not_claimed():
    shop = Shop().undo(23).works(24).look(60)
    for values in (
        {"kind": "HighCPU"},
        {"kind": "NetworkTimeout"},
        {"settle": Settle(relief=Relief(resource="cpu", below=0.8))},
        {"settle": Settle(telemetry=True)},
        {"has_checks": True},
    ):
        assert classify(observed(UNDO, **values), shop).outcome is Outcome.NOT_KNOWN


@pytest.mark.parametrize("guard", ["stopped_by", "asked_by"])
def test_a_plan_that_a_guard_would_have_stopped_would_not_have_healed(guard):
    found = classify(observed(UNDO, **{guard: "Ownership"}), Shop().undo(23).works(24).look(60))
    assert found.outcome is Outcome.NOT_KNOWN
    assert found.message.endswith(
        "It is healthy, but guard Ownership would have stopped the plan: see its reason in the status."
    )


def test_the_alert_has_to_be_resolved_as_well():
    shop = Shop().undo(23).works(24).look(60)
    assert classify(observed(UNDO, by_alert=True), shop) is None
    assert classify(observed(UNDO, by_alert=True, resolved=minute(45)), shop) is None
    assert classify(observed(UNDO, by_alert=True, resolved=minute(28)), shop).outcome is HEALED


MINUTES = st.integers(0, DAY - 60)
NO_CHANGE = st.one_of(
    st.tuples(st.sampled_from(["works", "crashes", "replace_pods", "touch"]), MINUTES),
    st.tuples(st.sampled_from(["opens"]), MINUTES),
)


@settings(deadline=None)
@given(st.sampled_from([UNDO, RAISE, RESTART]), st.lists(NO_CHANGE, max_size=6), st.integers(0, 2 * DAY))
def test_without_a_change_nothing_is_ever_said_to_be_healed(action, happenings, at):
    shop = Shop()
    for name, when in sorted(happenings, key=lambda each: each[1]):
        getattr(shop, name)(when)
    found = classify(observed(action), shop.look(at))
    claims = {Outcome.SAME_CHANGE, Outcome.SAME_CHANGE_FAILED, Outcome.OTHER_CHANGE}
    assert found is None or found.outcome not in claims
    assert at < DAY or found is not None


@settings(deadline=None)
@given(st.integers(65, 1024).filter(lambda size: size != 128), MINUTES)
def test_other_memory_than_planned_is_never_the_planned_change(size, when):
    shop = Shop().change(memory(f"{size}Mi"), when).works(when + 1)
    assert classify(observed(RAISE), shop.look(when + 40)).outcome is Outcome.OTHER_CHANGE
