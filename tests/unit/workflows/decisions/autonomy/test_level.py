"""Earned autonomy: each promotion, each demotion, and the reasons that are given."""

from datetime import timedelta

import pytest
from builders import NOW, WEB, a_policy, an_attempt

from prunella_workflows.decisions.autonomy.confidence import is_above, log_mixture, lower_bound
from prunella_workflows.decisions.autonomy.level import judge
from prunella_workflows.decisions.autonomy.track_record import MAX_LATEST, add_missing, add_trials, of_workload
from prunella_workflows.decisions.autonomy.trials import trial_of_plan, trials_of_attempts, trials_of_repairs
from prunella_workflows.model.aftermath import Aftermath, AftermathOutcome
from prunella_workflows.model.autonomy import MAX_TRIALS, ActionRecord, TrackRecord, Trial
from prunella_workflows.model.incident_status import Condition, IncidentStatus

RULE = a_policy(autonomy={"enabled": True}).autonomy
TO_APPROVAL, TO_HEAL = 7, 20
"""Right trials in a row that the built-in bars 0.5 and 0.8 need."""


def a_trial(number, succeeded=True, action="SetMemory"):
    return Trial(id=f"{action}-{number}", action=action, succeeded=succeeded, incident=f"web-{number}", at=NOW)


def a_record(outcomes, action="SetMemory"):
    """A record of these trials: `+` for a success, `-` for a failure."""
    trials = (a_trial(number, sign == "+", action) for number, sign in enumerate(outcomes))
    return add_trials(of_workload(TrackRecord(), WEB), trials)


def level(outcomes, rule=RULE, action="SetMemory"):
    return judge(a_record(outcomes), rule, WEB, action).level


@pytest.mark.parametrize(
    ("successes", "expected"),
    [
        (0, "Observe"),
        (TO_APPROVAL - 1, "Observe"),
        (TO_APPROVAL, "Approval"),
        (TO_HEAL - 1, "Approval"),
        (TO_HEAL, "Heal"),
    ],
)
def test_it_is_raised_by_successes(successes, expected):
    assert level("+" * successes) == expected


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        ("+" * TO_APPROVAL + "-", "Observe"),
        ("+" * TO_HEAL + "-", "Observe"),  # the bound alone would still allow Approval
        ("+" * 60 + "-", "Approval"),  # the bound alone would still allow Heal
        ("+" * 60 + "--", "Observe"),
        ("+" * 60 + "-+-", "Observe"),
        ("+" * 60 + "-++++", "Approval"),
        ("+" * 60 + "-+++++", "Heal"),
        ("+" * 60 + "-+++++-", "Approval"),
        ("-" * 5 + "+" * TO_HEAL, "Approval"),  # early errors count as long as the record does
    ],
)
def test_one_wrong_trial_costs_a_level_until_a_clean_run(outcomes, expected):
    assert level(outcomes) == expected


@pytest.mark.parametrize("successes", range(70))
def test_a_failure_never_leaves_the_level_as_it_was(successes):
    levels = ("Observe", "Approval", "Heal")
    before, after = level("+" * successes), level("+" * successes + "-")
    assert levels.index(after) < max(1, levels.index(before))


def test_each_action_earns_its_own_level():
    assert level("+" * TO_HEAL, action="RestoreTemplate") == "Observe"


def test_a_workload_that_was_created_again_begins_anew():
    other = WEB.model_copy(update={"uid": "uid-new"})
    assert judge(a_record("+" * TO_HEAL), RULE, other, "SetMemory").level == "Observe"
    assert of_workload(a_record("+" * TO_HEAL), other).actions == {}


def test_the_policy_sets_the_bars():
    rule = a_policy(
        autonomy={"enabled": True, "approvalAbove": 0.1, "healAbove": 0.3, "cleanRun": 1, "confidence": 0.8}
    )
    assert [level("+" * successes, rule.autonomy) for successes in (0, 1, 2)] == ["Observe", "Approval", "Heal"]
    assert level("+" * 20 + "-+", rule.autonomy) == "Heal"


def test_heal_never_needs_less_than_approval():
    rule = RULE.model_copy(update={"approval_above": 0.9, "heal_above": 0.2})
    assert level("+" * TO_HEAL, rule) == "Observe"


def test_the_reasons_name_the_record_the_bound_and_what_is_missing():
    note = judge(a_record("+" * TO_APPROVAL), RULE, WEB, "SetMemory")
    assert note.message == (
        "7 of 7 verified repairs and observed plans succeeded: a success rate above 0.54 with 95% confidence."
        " Approval needs 0.5, Heal 0.8."
    )
    assert (note.successes, note.failures, note.workload_uid) == (7, 0, WEB.uid)
    empty = judge(TrackRecord(), RULE, WEB, "SetMemory").message
    assert empty == "0 of 0 verified repairs and observed plans succeeded. Approval needs 0.5, Heal 0.8."


def test_the_reasons_of_a_demotion_name_the_incident():
    note = judge(a_record("+" * 60 + "-"), RULE, WEB, "SetMemory")
    assert note.message.endswith(
        f"Lowered by 1 failure, the last in incident web-60 ({NOW:%Y-%m-%d %H:%M} UTC), until 5 in a row succeed."
    )


def test_a_record_that_cannot_be_read_earns_nothing_and_says_so():
    note = judge(TrackRecord(problem="The track record cannot be read: 403."), RULE, WEB, "SetMemory")
    assert (note.level, note.message.partition(".")[0]) == ("Observe", "The track record cannot be read: 403")


def test_without_a_plan_there_is_no_level_to_speak_of():
    assert judge(a_record("+" * 60), RULE, WEB, "").message == "No repair is planned."


# The record


def test_a_trial_counts_once():
    record = add_trials(a_record("++"), [a_trial(0), a_trial(1)])
    assert (record.actions["SetMemory"].successes, record.actions["SetMemory"].failures) == (2, 0)


def test_a_repair_that_did_not_last_becomes_a_wrong_one_and_stays_one():
    record = add_trials(a_record("++"), [a_trial(0, succeeded=False), a_trial(0)])
    known = record.actions["SetMemory"]
    assert (known.successes, known.failures, [trial.id for trial in known.latest]) == (
        1,
        1,
        ["SetMemory-1", "SetMemory-0"],
    )


def missing(outcomes, *trials):
    known = add_missing(a_record(outcomes), trials).actions["SetMemory"]
    return known.successes, known.failures, [trial.id.removeprefix("SetMemory-") for trial in known.latest]


def test_a_wrong_trial_that_could_not_be_written_takes_its_place_and_is_forgiven_like_others():
    later = a_trial(1).model_copy(update={"at": NOW + timedelta(hours=1)})
    record = add_trials(a_record("+"), [later])
    for _ in range(2):
        record = add_missing(record, [a_trial(9, succeeded=False)])
    known = record.actions["SetMemory"]
    assert (known.successes, known.failures) == (2, 1)
    assert [trial.id for trial in known.latest] == ["SetMemory-0", "SetMemory-9", "SetMemory-1"]


def test_one_that_the_record_has_as_right_becomes_wrong():
    assert missing("++", a_trial(0, succeeded=False)) == (1, 1, ["1", "0"])


def test_one_that_may_be_counted_already_is_not_counted_again():
    old = a_trial(999, succeeded=False).model_copy(update={"at": NOW - timedelta(days=9)})
    assert missing("+" * MAX_LATEST, old)[:2] == (MAX_LATEST, 0)
    assert missing("+" * (MAX_LATEST - 1), old)[1:] == (1, ["999", *map(str, range(MAX_LATEST - 1))])


def test_a_record_that_someone_edited_is_no_longer_counted_beyond_its_bounds():
    edited = TrackRecord(actions={"SetMemory": ActionRecord(failures=MAX_TRIALS, latest=(a_trial(0),))})
    known = add_trials(edited, [a_trial(0, succeeded=False)]).actions["SetMemory"]
    assert (known.successes, known.failures) == (0, MAX_TRIALS)


def test_it_is_bounded_and_counts_all():
    known = a_record("+" * 500).actions["SetMemory"]
    assert (known.successes, len(known.latest)) == (500, MAX_LATEST)
    assert len(a_record("+" * 500).model_dump_json()) < 10_000


# What is a trial


def a_status(*attempts, verified="True"):
    condition = Condition(type="Verified", status=verified, reason="Healthy", last_transition_time=NOW)
    return IncidentStatus(attempts=attempts, conditions=(condition,))


@pytest.mark.parametrize(
    ("attempt", "verified", "expected"),
    [
        ({"verdict": "Healed", "undone": False}, "True", [True]),
        ({"verdict": "Healed", "undone": False}, "Unknown", []),  # no pod was made after it: the cause is not proven
        ({"verdict": "NotHealed"}, "False", [False]),
        ({"verdict": "NotHealed", "undone": False}, "False", [False]),
        ({"verdict": "Worse"}, "False", [False]),
        ({"verdict": None}, "True", [False]),  # undone at a cancellation
        ({"verdict": "Healed"}, "True", [False]),  # and undone later
        ({"verdict": "Inconclusive", "undone": False}, "False", []),
        ({"verdict": "NotApplied", "undone": False, "written_at": None}, "False", []),
        ({"verdict": "Unknown", "undone": False, "written_at": None}, "False", []),
    ],
)
def test_repairs_are_right_wrong_or_prove_nothing(attempt, verified, expected):
    trials = trials_of_repairs("web-1", a_status(an_attempt(**attempt), verified=verified), NOW)
    assert [trial.succeeded for trial in trials] == expected


def test_a_relapse_makes_the_earlier_repair_wrong():
    earlier = an_attempt(verdict="NotHealed", undone=False, incident="web-0")
    (trial,) = trials_of_attempts("web-1", (earlier,), NOW)
    assert (trial.id, trial.succeeded, trial.incident) == ("uid-incident-1", False, "web-0")


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("SameChange", True),
        ("SameChangeFailed", False),
        ("OtherChange", False),
        ("Recovered", None),
        ("Persisted", None),
        ("Deleted", None),
        ("NotKnown", None),
    ],
)
def test_observed_plans_agree_disagree_or_prove_nothing(outcome, expected):
    aftermath = Aftermath(outcome=AftermathOutcome(outcome), message="", changed_at=NOW, decided_at=NOW)
    trial = trial_of_plan("web-1", "SetMemory", aftermath)
    assert (trial and trial.succeeded) is expected


def test_all_incidents_that_one_change_ended_are_one_trial():
    """A fault has several incidents if a policy is edited meanwhile."""
    same = Aftermath(outcome=AftermathOutcome.SAME_CHANGE, message="", changed_at=NOW, decided_at=NOW)
    later = same.model_copy(update={"changed_at": NOW + timedelta(hours=1)})
    trials = [trial_of_plan(*case) for case in (("web-1", "SetMemory", same), ("web-2", "SetMemory", same))]
    record = add_trials(TrackRecord(), [*trials, trial_of_plan("web-3", "SetMemory", later)])
    assert record.actions["SetMemory"].successes == 2


def test_a_change_at_an_unknown_time_proves_nothing():
    aftermath = Aftermath(outcome=AftermathOutcome.SAME_CHANGE, message="", decided_at=NOW)
    assert trial_of_plan("web-1", "SetMemory", aftermath) is None


# The bound


@pytest.mark.parametrize(("rate", "successes"), [(0.5, 7), (0.6, 9), (0.7, 13), (0.8, 20), (0.9, 43), (0.95, 88)])
def test_the_successes_in_a_row_that_a_bar_needs(rate, successes):
    assert is_above(rate, successes, 0, 0.95)
    assert not is_above(rate, successes - 1, 0, 0.95)


@pytest.mark.parametrize(("successes", "failures"), [(1, 0), (7, 0), (20, 0), (19, 1), (40, 10), (3, 7), (500, 20)])
def test_the_bound_is_where_the_mixture_stops_to_be_large_enough(successes, failures):
    bound = lower_bound(successes, failures, 0.95)
    assert 0 <= bound < successes / (successes + failures)
    grid = [number / 200 for number in range(1, 200)]
    assert [is_above(rate, successes, failures, 0.95) for rate in grid] == [rate <= bound for rate in grid]


@pytest.mark.parametrize(("rate", "successes", "failures"), [(0.5, 7, 0), (0.8, 20, 3), (0.9, 2, 5)])
def test_the_mixture_is_the_integral_that_it_is_said_to_be(rate, successes, failures):
    from math import exp

    steps = 20_000
    points = (rate + (1 - rate) * (number + 0.5) / steps for number in range(steps))
    ratios = ((p / rate) ** successes * ((1 - p) / (1 - rate)) ** failures for p in points)
    assert exp(log_mixture(rate, successes, failures)) == pytest.approx(sum(ratios) / steps, rel=1e-4)


def test_nothing_is_shown_by_nothing():
    assert lower_bound(0, 0, 0.95) == lower_bound(0, 5, 0.95) == 0
