"""The time at which a small batch ends: when the records have arrived that complete a window of 10 s."""

from datetime import UTC, datetime

import pytest

from prunella_operator.telemetry import fetching


@pytest.mark.parametrize(
    ("second", "lateness", "left"),
    [(0.0, 10.0, 2.0), (1.5, 10.0, 0.5), (2.0, 10.0, 10.0), (59.0, 0.0, 3.0), (0.0, 7.0, 9.0), (9.5, 7.0, 9.5)],
)
def test_a_batch_ends_two_seconds_after_a_window_is_complete(monkeypatch, second, lateness, left):
    monkeypatch.setattr(fetching.clock, "now", lambda: datetime.fromtimestamp(1_800_000_000 + second, UTC))
    assert fetching._until_end(lateness) == pytest.approx(left)
