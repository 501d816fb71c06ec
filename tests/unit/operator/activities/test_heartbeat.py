"""A slow activity sends heartbeats; a finished one sends no more."""

import time

from temporalio.testing import ActivityEnvironment

from prunella_operator.activities import heartbeat as module
from prunella_operator.activities.heartbeat import heartbeating


def test_beats_while_it_works_and_no_longer(monkeypatch):
    monkeypatch.setattr(module, "_INTERVAL_SECONDS", 0.01)
    beats = []
    environment = ActivityEnvironment()
    environment.on_heartbeat = lambda *_: beats.append(1)

    def work():
        with heartbeating():
            deadline = time.monotonic() + 10
            while len(beats) < 3 and time.monotonic() < deadline:
                time.sleep(0.01)

    environment.run(work)
    counted = len(beats)
    time.sleep(0.1)
    assert counted >= 3
    assert len(beats) == counted


def test_a_quick_step_is_not_slowed_down():
    began = time.monotonic()
    with heartbeating():
        pass
    assert time.monotonic() - began < 1
