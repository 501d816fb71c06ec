"""Watching activities: they end with news, continue after the death of a worker, and distrust what they did not see."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from builders import INCIDENT, NOW, WEB, a_spec, ago, an_expectation
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from prunella_operator import clock
from prunella_operator.activities import watch
from prunella_operator.activities.watch import Watches, follow_verification
from prunella_workflows.contracts.healing import Confirmation, ConfirmRequest, VerifyRequest
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.outcome import Judgement, Presence, Sighting, Verdict

SETTLING = Judgement(reason="Settling")
HOLDING = Judgement(reason="Holding", calm_since=ago(5))
HEALED = Judgement(verdict=Verdict.HEALED, reason="Stable")
LATE = Judgement(verdict=Verdict.INCONCLUSIVE, reason="NotSettled")


class Scripted:
    """Checks with these results, one after the other; the last one is repeated."""

    def __init__(self, *results):
        self.results, self.requests = list(results), []

    def verify(self, request):
        self.requests.append(request)
        result = self.results.pop(0) if len(self.results) > 1 else self.results[0]
        if isinstance(result, Exception):
            raise result
        return result

    confirm = verify


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch):
    monkeypatch.setattr(watch, "_VERIFY_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(watch, "_PAUSE_SHARE", 1000)


def a_request(**values):
    expected = an_expectation()
    return VerifyRequest(
        **{
            "target": WEB,
            "action_id": expected.action_id,
            "template_hash": expected.template_hash,
            "written_at": expected.written_at,
            "settle": expected.settle,
            "watch": 60.0,
            "known": ("Settling",),
            "checked_at": clock.now(),
            **values,
        }
    )


def run(scripted, request, environment=None, name="verify"):
    with ThreadPoolExecutor(1) as pool:
        watching = getattr(Watches(scripted, pool), name)
        return asyncio.run((environment or ActivityEnvironment()).run(watching, request))


def test_a_verification_watches_until_there_is_a_verdict():
    scripted = Scripted(SETTLING, SETTLING, HEALED)
    assert run(scripted, a_request()) == HEALED
    assert len(scripted.requests) == 3


def test_a_reason_that_is_new_is_news():
    assert run(Scripted(SETTLING, HOLDING, HEALED), a_request()) == HOLDING


def test_what_a_check_found_is_given_to_the_next_one():
    scripted = Scripted(HOLDING, HEALED)
    run(scripted, a_request(known=("Holding",)))
    assert scripted.requests[1].calm_since == HOLDING.calm_since


def test_without_a_time_to_watch_it_checks_once():
    scripted = Scripted(SETTLING)
    assert run(scripted, a_request(watch=0.0)) == SETTLING
    assert len(scripted.requests) == 1


def test_a_watch_continues_where_a_dead_worker_was():
    beats = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = beats.append
    run(Scripted(HOLDING, HEALED), a_request(known=("Holding",), blind=30.0), environment)
    resumed = ActivityEnvironment()
    left = beats[-1].model_dump(mode="json", by_alias=True)  # as it comes from Temporal
    resumed.info = resumed.info.__class__(**{**resumed.info.__dict__, "heartbeat_details": [left]})
    scripted = Scripted(HEALED)
    run(scripted, a_request(), resumed)
    assert (scripted.requests[0].calm_since, scripted.requests[0].blind) == (HOLDING.calm_since, 30.0)


def test_an_error_ends_it():
    with pytest.raises(ApplicationError) as raised:
        run(Scripted(Unavailable("the API server does not answer")), a_request())
    assert (raised.value.type, raised.value.non_retryable) == ("Unavailable", False)


def test_a_bad_verdict_after_a_gap_needs_a_second_check():
    scripted = Scripted(LATE, HEALED)
    assert run(scripted, a_request(checked_at=clock.now() - timedelta(seconds=60))) == HEALED
    assert scripted.requests[1].blind == pytest.approx(60, abs=5)


@pytest.mark.parametrize("seconds", [5, 0], ids=["a short gap", "none"])
def test_a_bad_verdict_of_what_was_seen_counts(seconds):
    assert follow_verification(a_request(checked_at=clock.now() - timedelta(seconds=seconds)), LATE) is None


def test_a_gap_does_not_excuse_for_longer_than_an_hour():
    assert follow_verification(a_request(checked_at=ago(7200), blind=3600.0), LATE) is None


def seen(presence, **values):
    return Confirmation(target=WEB, sighting=Sighting(presence=presence, reason="x", again=0.0, **values))


@pytest.mark.parametrize(
    ("last", "checks"),
    [
        pytest.param(seen(Presence.FAILING), 2, id="it persists"),
        pytest.param(seen(Presence.RECOVERED), 2, id="it is gone"),
        pytest.param(seen(Presence.WATCHING, until=NOW), 2, id="a start has a deadline"),
    ],
)
def test_a_confirmation_watches_until_there_is_news(last, checks):
    scripted = Scripted(seen(Presence.WATCHING), last)
    request = ConfirmRequest(incident=INCIDENT, spec=a_spec(), opened_at=NOW, watch=60.0)
    assert run(scripted, request, name="confirm") == last
    assert len(scripted.requests) == checks
