"""Messages about one alert, in any order: which of them say something new."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella_workflows.model.alert import Alert, AlertStatus
from prunella_workflows.model.alert_log import AlertLog, MessageKind

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
WINDOW = 300.0


def at(minutes):
    return NOW + timedelta(minutes=minutes)


def firing(start):
    return Alert(fingerprint="f", status=AlertStatus.FIRING, starts_at=at(start))


def resolved(start, end):
    return Alert(fingerprint="f", status=AlertStatus.RESOLVED, starts_at=at(start), ends_at=at(end))


def play(*messages):
    """Messages, each with the minute at which it arrives; the book, and what each of them was."""
    book, taken = AlertLog(), []
    for minute, alert in messages:
        if alert.status is AlertStatus.FIRING:
            book, what = book.fire(alert, at(minute), WINDOW)
        else:
            book, what = book.resolve(alert, at(minute))
        taken.append(what)
    return book, taken


@pytest.mark.parametrize(
    ("messages", "taken", "fires"),
    [
        ([(0, firing(0))], [MessageKind.NEW], True),
        ([(0, firing(0)), (1, firing(0))], [MessageKind.NEW, MessageKind.REPEAT], True),
        ([(0, firing(0)), (9, resolved(0, 8))], [MessageKind.NEW, MessageKind.RESOLVED], False),
        (
            [(0, firing(0)), (9, resolved(0, 8)), (9, resolved(0, 8))],
            [MessageKind.NEW, MessageKind.RESOLVED, MessageKind.REPEAT],
            False,
        ),
        (
            [(0, firing(0)), (9, resolved(0, 8)), (20, firing(19))],
            [MessageKind.NEW, MessageKind.RESOLVED, MessageKind.NEW],
            True,
        ),
        # the end comes first
        ([(9, resolved(0, 8)), (9, firing(0))], [MessageKind.EARLY, MessageKind.LATE], False),
        ([(9, resolved(0, 8)), (10, firing(9))], [MessageKind.EARLY, MessageKind.NEW], True),
        # the end of an earlier firing
        ([(20, firing(19)), (20, resolved(0, 8))], [MessageKind.NEW, MessageKind.STALE], True),
        (
            [(20, firing(19)), (20, resolved(0, 8)), (21, firing(0))],
            [MessageKind.NEW, MessageKind.STALE, MessageKind.LATE],
            True,
        ),
        # an end that was never reported
        ([(0, firing(0)), (20, firing(19))], [MessageKind.NEW, MessageKind.NEW], True),
        (
            [(0, firing(0)), (20, firing(19)), (21, resolved(0, 8))],
            [MessageKind.NEW, MessageKind.NEW, MessageKind.STALE],
            True,
        ),
        # Alertmanager merged the firings of two Prometheus servers: the start moves back
        (
            [(5, firing(4)), (6, firing(0)), (9, resolved(0, 8))],
            [MessageKind.NEW, MessageKind.REPEAT, MessageKind.RESOLVED],
            False,
        ),
        # it was declared over while Prometheus was away, and still fires with its old start
        (
            [(0, firing(0)), (9, resolved(0, 8)), (15, firing(0))],
            [MessageKind.NEW, MessageKind.RESOLVED, MessageKind.NEW],
            True,
        ),
    ],
    ids=lambda value: "",
)
def test_messages(messages, taken, fires):
    book, found = play(*messages)
    assert found == taken
    assert (book.firing is not None) is fires


def test_what_was_said_twice_or_too_late_is_counted():
    book, _ = play((0, firing(0)), (1, firing(0)), (9, resolved(0, 8)), (9, resolved(0, 8)), (10, firing(0)))
    assert (book.repeats, book.ignored, book.heard) == (1, 2, at(10))


def test_a_resolution_without_an_end_ends_the_firing_of_its_start():
    ended = Alert(fingerprint="f", status=AlertStatus.RESOLVED, starts_at=at(0))
    assert play((0, firing(0)), (1, ended))[1] == [MessageKind.NEW, MessageKind.RESOLVED]


messages = st.one_of(
    st.builds(firing, st.integers(0, 30)),
    st.builds(lambda start, length: resolved(start, start + length), st.integers(0, 30), st.integers(1, 10)),
)


@given(st.lists(messages, max_size=12))
def test_repeating_a_message_at_once_changes_nothing(said):
    book = AlertLog()
    for minute, alert in enumerate(said):
        for _ in range(2):
            before = book
            book, what = (
                book.fire(alert, at(minute), WINDOW)
                if alert.status is AlertStatus.FIRING
                else book.resolve(alert, at(minute))
            )
        assert book.firing == before.firing
        assert what in {MessageKind.REPEAT, MessageKind.LATE, MessageKind.STALE}
