"""Cases are played on a scripted clock with a scripted workload; nothing waits."""

from datetime import UTC, datetime, timedelta

import pytest
from benchmark import playing
from benchmark.judging import End
from support.audit import Write
from support.cases.case import Case

BEGAN = datetime(2026, 11, 29, 12, 0, tzinfo=UTC)


class Stage:
    """A workload that is served but for some seconds after its fault, and a clock that sleeping moves on."""

    def __init__(self, phase="Healed", *, broken_for=20.0, before=None, **more):
        self.case = Case("web", "web", before, lambda _: None, phase=phase, reason="", **more)
        self.namespace, self.path, self.api = "shop", "/web", self
        self.broken, self.broken_at = {}, None
        self.now, self.cleared, self._broken_for = 0.0, False, broken_for

    def prepare(self):
        pass

    def break_it(self):
        self.broken_at, self.broken = self.time(), self.live()

    def clear(self):
        self.cleared = True

    def live(self):
        broken = self.broken_at is not None and self.time() - self.broken_at < timedelta(seconds=self._broken_for)
        count = 0 if broken else 1
        status = {"replicas": 1, "updatedReplicas": 1, "availableReplicas": count}
        return {"kind": "Deployment", "metadata": {"uid": "u"}, "spec": {"replicas": 1}, "status": status}

    def find(self, path):
        return self.live()

    def time(self):
        return BEGAN + timedelta(seconds=self.now)

    def sleep(self, seconds):
        self.now += seconds


def played(monkeypatch, stage, *writes):
    monkeypatch.setattr(playing.time, "sleep", stage.sleep)
    monkeypatch.setattr(playing.time, "monotonic", lambda: stage.now)
    monkeypatch.setattr(playing.clock, "now", stage.time)
    lines = []
    (outcome,) = playing.play_all([stage], lambda _: writes, lines.append)
    assert stage.cleared
    return outcome, lines


def a_write(seconds):
    at = (BEGAN + timedelta(seconds=seconds)).isoformat()
    return Write("patch", "apps/deployments", "shop", "web", 200, "healer", "agent", "/", at)


def test_a_case_ends_when_the_workload_has_served_for_long_enough(monkeypatch):
    stage = Stage(before=lambda _: None)
    outcome, lines = played(monkeypatch, stage, a_write(seconds=70))
    assert (outcome.verdict.end, outcome.verdict.seconds) == (End.HEALED, 20)
    assert lines == ["web: healed"]
    assert stage.now == playing.HEALTHY_FOR + 20 + 60 + 1


@pytest.mark.parametrize(("slow", "seconds"), [(False, 241), (True, 481)])
def test_a_case_that_is_not_healed_ends_when_its_time_is_over(monkeypatch, slow, seconds):
    stage = Stage(broken_for=9999, slow=slow)
    outcome, _ = played(monkeypatch, stage, a_write(seconds=5))
    assert outcome.verdict.end == End.NOT_HEALED
    assert stage.now == seconds


def test_a_workload_that_serves_just_in_time_is_observed_for_longer(monkeypatch):
    outcome, _ = played(monkeypatch, Stage(broken_for=230), a_write(seconds=5))
    assert (outcome.verdict.end, outcome.verdict.seconds) == (End.HEALED, 230)


@pytest.mark.parametrize(("slow", "seconds"), [(False, 240), (True, 480)])
def test_a_case_to_be_left_alone_is_observed_for_as_long_as_a_healer_has_in_others(monkeypatch, slow, seconds):
    stage = Stage("Escalated", slow=slow)
    outcome, _ = played(monkeypatch, stage)
    assert (outcome.verdict.end, stage.now) == (End.LEFT_ALONE, seconds)


def test_a_case_that_cannot_be_played_says_why_and_is_removed(monkeypatch):
    stage = Stage()
    stage.prepare = lambda: 1 / 0
    outcome, lines = played(monkeypatch, stage)
    assert (outcome.verdict, outcome.unjudged) == (None, ())
    assert lines == ["web: not played: division by zero"]


def test_what_the_healer_changed_in_a_case_that_cannot_be_played_is_kept(monkeypatch):
    stage = Stage()
    stage.prepare = lambda: 1 / 0
    outcome, _ = played(monkeypatch, stage, a_write(seconds=0))
    assert outcome.unjudged == (a_write(seconds=0),)
