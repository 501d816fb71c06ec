"""Dispatching alerts to their workflows: a few one by one, many by one write, all of them or an error."""

import asyncio

import pytest
from support.notifications import an_alert
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from prunella_operator import clock
from prunella_operator.activities.alerts.distribution import Distribution
from prunella_operator.alerts.dispatcher import DEDUPLICATION_WINDOW_SECONDS, MAX_SIGNALLED, AlertDispatcher, batches
from prunella_operator.temporal.rpc import TemporalUnavailable
from prunella_workflows.alerts.batch_workflow import AlertIntake
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import AlertBatch, AlertRequest
from prunella_workflows.model.alert import Alert


class FakeTemporal:
    """Notes what is started, and refuses what is named."""

    def __init__(self, *refused):
        self.calls = []
        self.refused = refused
        self.error = None
        self.gate = None

    async def start_workflow(self, run, argument, **options):
        if self.gate:
            await self.gate.wait()
        if self.error:
            raise self.error
        if options["id"] in self.refused:
            raise RuntimeError("connection refused")
        self.calls.append((run, argument, options))

    @property
    def ids(self):
        return [options["id"] for _, _, options in self.calls]


def alerts(count, **values):
    return tuple(Alert.model_validate(an_alert(fingerprint=f"f{number}", **values)) for number in range(count))


async def test_few_alerts_are_signalled_one_by_one():
    temporal = FakeTemporal()
    await AlertDispatcher(temporal, "queue").dispatch(alerts(MAX_SIGNALLED))
    run, request, options = temporal.calls[0]
    assert (run, request) == (AlertHandling.run, AlertRequest(fingerprint="f0"))
    assert (options["id"], options["task_queue"], options["start_signal"]) == ("alert-f0", "queue", "fire")
    assert temporal.ids == [f"alert-f{number}" for number in range(MAX_SIGNALLED)]


async def test_what_is_over_is_another_signal():
    temporal = FakeTemporal()
    await AlertDispatcher(temporal, "queue").dispatch(alerts(1, status="resolved"))
    assert temporal.calls[0][2]["start_signal"] == "resolve"


async def test_many_alerts_are_one_write_and_the_same_ones_are_the_same_write():
    temporal = FakeTemporal()
    dispatcher = AlertDispatcher(temporal, "queue")
    await dispatcher.dispatch(alerts(100))
    await AlertDispatcher(temporal, "queue").dispatch(alerts(100))
    await AlertDispatcher(temporal, "queue").dispatch(alerts(101))
    first, again, other = temporal.calls
    assert (first[0], first[1]) == (AlertIntake.run, AlertBatch(alerts=alerts(100)))
    assert first[2]["id"].startswith("alerts-")
    assert (first[2]["id"] == again[2]["id"], first[2]["id"] == other[2]["id"]) == (True, False)


async def test_what_comes_while_a_write_is_under_way_is_written_together():
    temporal = FakeTemporal()
    temporal.gate = asyncio.Event()
    dispatcher = AlertDispatcher(temporal, "queue")
    first = asyncio.create_task(dispatcher.dispatch(alerts(1)))
    await asyncio.sleep(0)
    others = [asyncio.create_task(dispatcher.dispatch((alert,))) for alert in alerts(50)[1:] + alerts(50)[1:]]
    await asyncio.sleep(0)
    temporal.gate.set()
    await asyncio.gather(first, *others)
    assert [run for run, _, _ in temporal.calls] == [AlertHandling.run, AlertIntake.run]
    assert temporal.calls[1][1] == AlertBatch(alerts=alerts(50)[1:])  # each of them once


async def test_who_waits_together_fails_together_and_who_comes_then_does_not():
    temporal = FakeTemporal()
    temporal.error = RuntimeError("connection refused")
    dispatcher = AlertDispatcher(temporal, "queue")
    answers = await asyncio.gather(*(dispatcher.dispatch((alert,)) for alert in alerts(20)), return_exceptions=True)
    assert {type(answer) for answer in answers} == {TemporalUnavailable}
    temporal.error = None
    await dispatcher.dispatch(alerts(1))
    assert temporal.ids == ["alert-f0"]


async def test_who_does_not_wait_any_longer_keeps_nobody_else_from_being_answered():
    temporal = FakeTemporal()
    temporal.gate = asyncio.Event()
    dispatcher = AlertDispatcher(temporal, "queue")
    gone, other = (asyncio.create_task(dispatcher.dispatch((alert,))) for alert in alerts(2))
    await asyncio.sleep(0)
    gone.cancel()
    temporal.gate.set()
    await other
    assert gone.cancelled()


async def test_an_error_that_nobody_thought_of_is_told_too():
    temporal = FakeTemporal()
    temporal.error = KeyError("a bug")
    with pytest.raises(KeyError):
        await AlertDispatcher(temporal, "queue").dispatch(alerts(1))


async def test_what_was_stored_a_moment_ago_is_not_written_again(monkeypatch):
    now, temporal = 0.0, FakeTemporal("alert-f3")
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    dispatcher = AlertDispatcher(temporal, "queue")
    await dispatcher.dispatch(alerts(2))
    await dispatcher.dispatch(alerts(3))
    assert temporal.ids == ["alert-f0", "alert-f1", "alert-f2"]
    with pytest.raises(TemporalUnavailable):
        await dispatcher.dispatch(alerts(4))
    temporal.refused = ()
    await dispatcher.dispatch(alerts(4))
    assert temporal.ids[3:] == ["alert-f3"]
    now = DEDUPLICATION_WINDOW_SECONDS
    await dispatcher.dispatch(alerts(1))
    assert temporal.ids[4:] == ["alert-f0"]


async def test_what_fires_again_after_its_end_is_written_again():
    temporal = FakeTemporal()
    dispatcher = AlertDispatcher(temporal, "queue")
    for status in ("firing", "resolved", "resolved", "firing"):
        await dispatcher.dispatch(alerts(1, status=status))
    assert [options["start_signal"] for _, _, options in temporal.calls] == ["fire", "resolve", "fire"]


async def test_no_more_is_remembered_than_a_storm_needs(monkeypatch):
    now = 0.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    dispatcher = AlertDispatcher(FakeTemporal(), "queue")
    await dispatcher.dispatch(alerts(10_000))
    now = DEDUPLICATION_WINDOW_SECONDS
    await dispatcher.dispatch(alerts(10_001))
    assert len(dispatcher._stored) == 10_001


async def test_no_alerts_are_no_write():
    temporal = FakeTemporal()
    await AlertDispatcher(temporal, "queue").dispatch(())
    assert temporal.calls == []


def test_a_part_is_no_larger_than_temporal_likes():
    large = alerts(40, annotations={f"a{number}": "x" * 4000 for number in range(8)})
    parts = list(batches(large))
    assert len(parts) > 1
    assert [alert for part in parts for alert in part.alerts] == list(large)
    assert all(len(part.model_dump_json().encode()) < 300 * 1024 for part in parts)


async def test_one_that_cannot_be_stored_fails_all_and_the_rest_is_stored():
    temporal = FakeTemporal("alert-f1")
    with pytest.raises(TemporalUnavailable, match="connection refused"):
        await AlertDispatcher(temporal, "queue").dispatch(alerts(3))
    assert temporal.ids == ["alert-f0", "alert-f2"]


async def test_what_was_kept_together_is_handed_on():
    temporal, environment = FakeTemporal(), ActivityEnvironment()
    await environment.run(Distribution(AlertDispatcher(temporal, "queue")).distribute, AlertBatch(alerts=alerts(20)))
    assert temporal.ids == [f"alert-f{number}" for number in range(20)]


async def test_an_attempt_goes_on_where_the_last_one_ended():
    temporal, environment, beats = FakeTemporal("alert-f10"), ActivityEnvironment(), []
    environment.on_heartbeat = beats.append
    hand = Distribution(AlertDispatcher(temporal, "queue")).distribute
    with pytest.raises(ApplicationError) as raised:
        await environment.run(hand, AlertBatch(alerts=alerts(20)))
    assert not raised.value.non_retryable
    temporal.refused, temporal.calls = (), []
    info = environment.info
    environment.info = type(info)(**{**vars(info), "heartbeat_details": [beats[-1]]})
    await environment.run(hand, AlertBatch(alerts=alerts(20)))
    assert temporal.ids == [f"alert-f{number}" for number in range(8, 20)]


async def test_temporals_pages_show_printable_text_only():
    temporal = FakeTemporal()
    await AlertDispatcher(temporal, "queue").dispatch(alerts(1, labels={"alertname": "A\x00\x1b[31m\n" + "x" * 300}))
    assert temporal.calls[0][2]["static_summary"] == "A??[31m?" + "x" * 92
