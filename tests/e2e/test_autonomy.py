"""Earned autonomy on a real cluster: one workload, whose action rises from Observe to Heal and is lowered again.

Nothing is seeded: the bars are the lowest that a policy may set. 15 seconds of health stand for 30 minutes.
"""

import secrets

import pytest
from support.access_control import records_kept
from support.cases.earning import EarningRun
from support.cases.runner import allow_crowd

pytestmark = [pytest.mark.shadow, pytest.mark.timeout(1800, func_only=False)]

_ROUNDS = ("observed", "approved", "restarted", "capped", "healed", "failed", "relapsed")


@pytest.fixture(scope="module")
def seen(cluster, accounts, prunella, log_progress):
    """The state after each round, by its name."""
    users = tuple(made.user for made in accounts.values())
    home = users[0].split(":")[2]
    run = EarningRun(cluster, prunella, users, f"autonomy-{secrets.token_hex(2)}")
    allow_crowd(cluster.api)
    with records_kept(cluster.api, home):
        try:
            return {name: _played(run, name, log_progress) for name in _ROUNDS}
        finally:
            run.clear()


def _played(run, name, log_progress):
    found = getattr(run, name)()
    log_progress(f"{name}: {found.shown['level']}: {found.shown['message']}")
    return found


def counts(round_):
    return round_.record.successes, round_.record.failures


def test_at_observe_the_plan_is_shown_and_nothing_is_written(seen):
    found = seen["observed"]
    assert (found.status["phase"], found.status["reason"], found.writes) == ("DryRunDone", "NotEarned", 0)
    assert found.status["autonomy"]["level"] == "Observe"
    assert found.status["autonomy"]["message"].startswith("0 of 0 verified repairs and observed plans succeeded.")


def test_a_person_who_makes_the_planned_change_earns_approval(seen):
    found = seen["observed"]
    assert (found.status["aftermath"]["outcome"], counts(found)) == ("SameChange", (1, 0))
    assert found.shown["message"].startswith("1 of 1 verified repairs and observed plans succeeded: a success rate")


def test_at_approval_a_person_is_asked_and_the_verified_repair_earns_heal(seen):
    found = seen["approved"]
    assert (found.status["autonomy"]["level"], found.status["reason"]) == ("Approval", "Stable")
    assert (counts(found), found.writes, found.shown["level"]) == ((2, 0), 1, "Heal")


def test_the_record_survives_a_restart_of_operator_and_worker(seen):
    assert seen["restarted"].record == seen["approved"].record
    assert seen["restarted"].shown == seen["approved"].shown


def test_the_mode_of_the_policy_is_the_limit(seen):
    found = seen["capped"]
    assert (found.status["phase"], found.status["reason"], found.writes) == ("DryRunDone", "ObserveMode", 1)
    assert found.status["autonomy"]["level"] == "Heal"
    assert found.shown["message"].endswith("Heal is earned, and the mode is Observe.")


def test_at_heal_it_acts_alone(seen):
    found = seen["healed"]
    assert (found.status["autonomy"]["level"], found.status["reason"]) == ("Heal", "Stable")
    assert "Approved" not in {one["type"] for one in found.status["conditions"]}
    assert (counts(found), found.writes) == ((3, 0), 2)


def test_one_failure_lowers_it_at_once(seen):
    found = seen["failed"]
    assert [one["verdict"] for one in found.status["attempts"]] == ["NotHealed", "Healed"]
    assert found.status["autonomy"]["level"] == "Approval"
    assert (counts(found), found.writes, found.shown["level"]) == ((4, 1), 5, "Approval")
    assert "Lowered by 1 failure" in found.shown["message"]


def test_a_relapse_turns_a_success_into_a_failure(seen):
    found = seen["relapsed"]
    assert (found.status["phase"], found.status["reason"]) == ("Escalated", "NotEarned")
    assert found.writes == seen["failed"].writes
    assert (counts(found), found.shown["level"]) == ((3, 2), "Observe")
