"""Alertmanager's API over real HTTP: exactly one alert is silenced, and only for a while."""

from datetime import UTC, datetime, timedelta

import pytest
from fakes.alertmanager import FakeAlertmanager
from fakes.httpd import Answer

from prunella_operator import clock
from prunella_operator.activities.alerts.alertmanager import Alertmanager, connect_alertmanager
from prunella_operator.config.settings import Settings
from prunella_workflows.model.alert import Alert, AlertStatus
from prunella_workflows.model.errors import AuthenticationError, InvalidInputError, Unavailable

HOSTILE = 'a"b\\c\n{x="y"} <b>'


@pytest.fixture
def server():
    with FakeAlertmanager() as found:
        yield found


@pytest.fixture
def api(server):
    return Alertmanager(server.url)


def an_alert(fingerprint="f1", **labels):
    return Alert(
        fingerprint=fingerprint,
        status=AlertStatus.FIRING,
        labels={"alertname": "Slow", "pod": "web-1", **labels},
        starts_at=datetime(2026, 3, 4, tzinfo=UTC),
    )


def later(minutes=10):
    return clock.now() + timedelta(minutes=minutes)


def test_a_silence_matches_every_label_exactly(server, api):
    found = api.silence(an_alert(hostile=HOSTILE, empty=""), later(), "Prunella repairs this.", "")
    silence = server.silences[found]
    assert silence["matchers"] == [
        {"name": name, "value": value, "isRegex": False, "isEqual": True}
        for name, value in (("alertname", "Slow"), ("hostile", HOSTILE), ("pod", "web-1"))
    ]
    assert (silence["createdBy"], silence["comment"]) == ("prunella", "Prunella repairs this. [f1]")
    assert timedelta(minutes=9) < datetime.fromisoformat(silence["endsAt"]) - clock.now() < timedelta(minutes=11)


def test_a_silence_is_extended_by_its_id(server, api):
    found = api.silence(an_alert(), later(1), "", "")
    assert api.silence(an_alert(), later(20), "", found) == found
    assert len(server.silences) == 1


def test_an_attempt_that_is_repeated_finds_the_silence_of_the_one_before(server, api):
    first = api.silence(an_alert(), later(), "", "")
    assert api.silence(an_alert(), later(), "", "") == first
    assert api.silence(an_alert("f2"), later(), "", "") != first
    assert len(server.silences) == 2


def test_a_silence_that_ended_or_that_a_person_made_is_not_ours(server, api):
    first = api.silence(an_alert(), later(), "", "")
    api.unsilence(first)
    person = {"createdBy": "alice", "comment": "[f1]", "endsAt": later().isoformat(), "matchers": []}
    server.silences["alices"] = person
    found = api.silence(an_alert(), later(), "", "")
    assert found not in (first, "alices")


def test_a_silence_that_alertmanager_forgot_is_made_anew(server, api):
    assert api.silence(an_alert(), later(), "", "forgotten") in server.silences


def test_a_silence_is_taken_back_once_or_twice(server, api):
    found = api.silence(an_alert(), later(), "", "")
    api.unsilence(found)
    assert server.state(found) == "expired"
    api.unsilence(found)
    api.unsilence("forgotten")


def test_whether_it_fires_is_told_by_the_fingerprint(server, api):
    server.firing = {"f1": {"alertname": "Slow"}}
    assert api.is_firing(an_alert("f1", alertname=HOSTILE))
    assert not api.is_firing(an_alert("f2"))
    assert server.asked[0].query == {"filter": 'alertname="a\\"b\\\\c\\n{x=\\"y\\"} <b>"'}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(401, "who?"), AuthenticationError),
        (Answer(403, "no"), AuthenticationError),
        (Answer(400, "canary-of-the-answer"), InvalidInputError),
        (Answer(302, headers={"Location": "http://127.0.0.1:1/"}), InvalidInputError),
        (Answer(429), Unavailable),
        (Answer(500, "canary-of-the-answer"), Unavailable),
        (Answer(200, b"<html>"), Unavailable),
        (Answer(0), Unavailable),
    ],
    ids=lambda value: str(getattr(value, "status", "")),
)
def test_what_goes_wrong_is_told_without_the_words_of_the_answer(server, api, answer, error):
    server.failures = [answer, answer]
    with pytest.raises(error) as raised:
        api.silence(an_alert(), later(), "", "known")
    assert "canary" not in str(raised.value)


def test_an_alertmanager_that_is_away_is_unavailable():
    with pytest.raises(Unavailable, match="does not answer"):
        Alertmanager("http://127.0.0.1:1").is_firing(an_alert())


def test_the_token_is_read_at_each_call(server, tmp_path):
    path = tmp_path / "token"
    path.write_text("first\n")
    api = Alertmanager(server.url, str(path))
    api.is_firing(an_alert())
    path.write_text("second\n")
    api.is_firing(an_alert())
    assert [request.headers["Authorization"] for request in server.asked] == ["Bearer first", "Bearer second"]


def test_a_token_that_cannot_be_read_is_told_without_asking(server, tmp_path):
    with pytest.raises(AuthenticationError, match="cannot be read: No such file"):
        Alertmanager(server.url, str(tmp_path / "nowhere")).is_firing(an_alert())
    assert server.asked == []


def test_without_an_address_there_is_none():
    assert connect_alertmanager(Settings.load({})) is None
    assert connect_alertmanager(Settings.load({"alertmanager_url": "http://alertmanager:9093/"})) is not None
