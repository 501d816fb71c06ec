"""The state of a healing is one serialisable structure, and Events are posted once each."""

import pytest
from builders import (
    NOW,
    a_diagnosis,
    a_memory_raise,
    a_question,
    a_repaired,
    a_report,
    a_request,
    a_rollback,
    a_step,
    an_attempt,
)
from pydantic import TypeAdapter

from prunella_workflows.healing.events import EventLog
from prunella_workflows.healing.state import HealingState, initial_state
from prunella_workflows.healing.status_builder import StatusBuilder
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import CausedBy
from prunella_workflows.model.outcome import Cause, Effect, GuardResult, Judgement, Verdict


def test_a_state_in_the_middle_of_a_repair_survives_json():
    state = initial_state(a_request(), "run", NOW)
    state.orders = 1
    StatusBuilder(state).diagnosed(a_question(), NOW)
    StatusBuilder(state).approval_requested(NOW)
    state.answer = Approval(decision="Approved", by="alice")
    StatusBuilder(state).attempt_started(a_step(), "uid-1", "-a\n+b", NOW)
    state.applied = a_repaired("uid-1")
    adapter = TypeAdapter(HealingState)
    assert adapter.validate_json(adapter.dump_json(state)) == state


def test_a_run_that_follows_a_lost_one_counts_on_and_takes_what_was_not_judged_for_written():
    lost = an_attempt(2, written_at=None, finished_at=None, verdict=None, undone=False)
    state = initial_state(a_request(attempts=(an_attempt(1), lost)), "run", NOW)
    assert state.orders == 2
    assert [(made.number, made.verdict) for made in state.written_attempts] == [(1, "NotHealed"), (2, "Inconclusive")]


@pytest.mark.parametrize(
    ("action", "verdict", "cause"),
    [
        (a_rollback(), Verdict.NOT_HEALED, "unknown"),
        (a_rollback(), Verdict.WORSE, "unknown"),
        (a_rollback(), Verdict.INCONCLUSIVE, "bad_release"),
        (a_rollback(), Verdict.HEALED, "bad_release"),
        (a_memory_raise(), Verdict.NOT_HEALED, "bad_release"),
    ],
)
def test_a_rollback_that_did_not_help_acquits_the_release_at_once(action, verdict, cause):
    state = initial_state(a_request(), "run", NOW)
    status, step = StatusBuilder(state), a_step(action)
    status.diagnosed(a_report(step, diagnosis=a_diagnosis(Cause.BAD_RELEASE)), NOW)
    status.attempt_started(step, "uid-1", "", NOW)
    status.judged(Judgement(verdict=verdict, reason="Relapse"), NOW)
    assert (state.status.root_cause, state.condition("Diagnosed").status) == (
        cause,
        "Unknown" if cause == "unknown" else "True",
    )


def test_a_rollback_that_did_not_help_says_nothing_about_an_oom_kill():
    state = initial_state(a_request(), "run", NOW)
    status, step = StatusBuilder(state), a_step(a_rollback())
    status.diagnosed(a_report(step), NOW)
    status.attempt_started(step, "uid-1", "", NOW)
    status.judged(Judgement(verdict=Verdict.NOT_HEALED, reason="Relapse"), NOW)
    assert state.status.root_cause == "pod_oom_killed"


def test_a_later_diagnosis_replaces_the_cause_and_the_guilty_object():
    state = initial_state(a_request(), "run", NOW)
    secret = CausedBy(target="Secret/token")
    StatusBuilder(state).diagnosed(a_report(diagnosis=a_diagnosis(Cause.CONFIG_MISSING), caused_by=secret), NOW)
    assert (state.status.root_cause, state.status.caused_by) == ("config_missing", secret)
    StatusBuilder(state).diagnosed(a_report(diagnosis=a_diagnosis(Cause.BAD_RELEASE)), NOW)
    assert (state.status.root_cause, state.status.caused_by) == ("bad_release", None)


def test_a_guard_is_an_event_when_it_begins_to_block_and_when_it_no_longer_does():
    log = EventLog()
    wait = GuardResult(name="Concurrency", effect=Effect.WAIT, reason="NamespaceBusy", message="5 repairs run.")
    asks = GuardResult(name="Approval", effect=Effect.ASK, reason="ApprovalNeeded")
    for guards in ((wait, asks), (wait, asks), (GuardResult(name="Concurrency"), asks)):
        log.post_guards(guards)
    assert [event.reason for event in log.take()] == ["GuardBlocked", "GuardCleared"]
    assert log.take() == ()


def test_a_repeated_diagnosis_is_one_event():
    state = initial_state(a_request(), "run", NOW)
    for _ in range(2):
        StatusBuilder(state).diagnosed(a_report(), NOW)
    assert [event.reason for event in state.events.take()] == ["Diagnosed"]


def test_events_whose_report_failed_come_first_in_the_next_one():
    log = EventLog()
    log.post("Normal", "First", "Test", "")
    failed = log.take()
    log.post("Normal", "Second", "Test", "")
    log.put_back(failed)
    assert [(event.reason, event.key) for event in log.take()] == [("First", "1"), ("Second", "2")]
