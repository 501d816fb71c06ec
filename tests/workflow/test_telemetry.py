"""TelemetryPipeline on the time-skipping server: its steps, its alerts, and what it does when one of them fails."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from workflow.alert_env import ScriptedAlertActivities, firing, resolved
from workflow.healing_env import ending, raised, start_time_skipping
from workflow.telemetry_env import (
    EMPTY,
    STEPS,
    TELEMETRY_QUEUE,
    ScriptedTelemetry,
    a_batch,
    start_pipeline,
    telemetry_worker,
)

from prunella_workflows.contracts.alerts import AlertState, alert_workflow_id
from prunella_workflows.contracts.telemetry import (
    BATCHES_PER_RUN,
    HEARTBEAT_TIMEOUT,
    START_TO_CLOSE_TIMEOUT,
    Detected,
    PipelineState,
    PolicyReading,
    Processed,
    Stored,
    TelemetrySignal,
    main_queue,
    telemetry_queue,
)
from prunella_workflows.model.errors import Permanent, Unavailable
from prunella_workflows.model.telemetry_policy import DEFAULTS, TelemetryPolicy, merge_telemetry
from prunella_workflows.telemetry.policy_reading import INTERVAL
from prunella_workflows.telemetry.workflow import PAUSE, TelemetryPipeline

FIRST, SECOND = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
AWAY = raised(Unavailable("the database does not answer"))
STRICT = merge_telemetry(TelemetryPolicy(threshold=30.0, lateness=60.0))


@pytest.fixture
async def client():
    async with start_time_skipping() as environment:
        yield environment.client


async def run(client, steps, alerts=None, **values):
    """The state in which the pipeline stopped."""
    async with telemetry_worker(client, steps, alerts):
        return await (await start_pipeline(client, **values)).result()


def anomaly(fingerprint=FIRST, **values):
    return firing(fingerprint=fingerprint, **values)


async def test_a_batch_goes_through_every_step_in_order(client):
    steps = ScriptedTelemetry(client)
    state = await run(client, steps)
    order = [name for name, _ in steps.calls]
    assert (order[:2], set(order[2:5]), order[5:]) == (
        ["read", "fetch"],
        {"process_traces", "process_metrics", "process_logs"},
        ["correlate", "detect", "store", "dashboard", "fetch"],
    )
    assert (state.batches, state.items, state.dead, state.lag, state.last_batch) == (1, 115, 1, 2.0, "batch-1")


async def test_the_three_signals_are_processed_in_parallel(client):
    together = asyncio.Barrier(3)

    async def meet(_batch):
        await together.wait()
        return Processed(signal=TelemetrySignal.TRACES, items=1)

    state = await run(client, ScriptedTelemetry(client, process_traces=meet, process_metrics=meet, process_logs=meet))
    assert state.items == 3


async def test_the_options_of_its_activities(client):
    steps = ScriptedTelemetry(client)
    async with telemetry_worker(client, steps):
        handle = await start_pipeline(client)
        await handle.result()
        history = await handle.fetch_history()
    found = [event.activity_task_scheduled_event_attributes for event in history.events]
    scheduled = [one for one in found if one.task_queue.name == TELEMETRY_QUEUE]
    assert {one.activity_type.name for one in scheduled} >= {"fetchTelemetry", "storeTelemetry", "updateDashboard"}
    for one in scheduled:
        assert one.start_to_close_timeout.ToTimedelta() == START_TO_CLOSE_TIMEOUT == timedelta(minutes=30)
        assert one.heartbeat_timeout.ToTimedelta() == HEARTBEAT_TIMEOUT == timedelta(minutes=5)
        policy = one.retry_policy
        assert policy.initial_interval.ToTimedelta() == timedelta(seconds=10)
        assert policy.maximum_interval.ToTimedelta() == timedelta(minutes=10)
        assert (policy.backoff_coefficient, policy.maximum_attempts) == (2.0, 3)


@pytest.mark.parametrize("cached", [0, 100], ids=["replayed at every task", "cached"])
async def test_each_anomaly_gets_a_workflow_and_its_repeats_and_end_go_there(client, cached):
    """A worker that dies at any point leaves the rest to another one, which replays: nothing is sent twice."""
    steps = ScriptedTelemetry(
        client,
        fetch=[a_batch(1), a_batch(2), a_batch(3)],
        detect=[
            Detected(alerts=(anomaly(), anomaly(SECOND))),
            Detected(alerts=(anomaly(),)),
            Detected(alerts=(resolved(fingerprint=FIRST),)),
        ],
    )
    async with telemetry_worker(client, steps, max_cached_workflows=cached):
        state = await (await start_pipeline(client)).result()
        first = await state_of(client, FIRST)
        second = await state_of(client, SECOND)
    assert state.alerts == 4
    assert (first.round, first.book.repeats, first.book.firing) == (1, 1, None)
    assert (second.round, second.book.repeats) == (1, 0)
    assert second.book.firing is not None


async def state_of(client, fingerprint):
    return await client.get_workflow_handle(alert_workflow_id(fingerprint)).query("getState", result_type=AlertState)


async def test_an_alert_outlives_the_pipeline(client):
    steps = ScriptedTelemetry(client, detect=Detected(alerts=(anomaly(),)))
    async with telemetry_worker(client, steps):
        await (await start_pipeline(client)).result()
        assert (await client.get_workflow_handle(alert_workflow_id(FIRST)).describe()).status.name == "RUNNING"


async def test_a_repeated_batch_has_its_effects_once(client):
    """The first store fails: the batch is detected twice, and its alert is handled once."""
    steps = ScriptedTelemetry(
        client,
        fetch=[a_batch(), a_batch()],
        detect=Detected(alerts=(anomaly(),)),
        store=[AWAY, AWAY, AWAY, Stored(already=True)],
    )
    alerts = ScriptedAlertActivities()
    async with telemetry_worker(client, steps, alerts):
        state = await (await start_pipeline(client)).result()
        handled = await state_of(client, FIRST)
    assert (state.batches, len(steps.requests("detect"))) == (1, 2)
    assert (handled.round, handled.book.repeats, len(alerts.requests("open"))) == (1, 1, 1)


async def test_the_end_of_an_alert_without_a_workflow_is_no_problem(client):
    steps = ScriptedTelemetry(client, detect=Detected(alerts=(resolved(),)))
    state = await run(client, steps)
    assert (state.batches, state.notes) == (1, ())
    with pytest.raises(RPCError, match="not found"):
        await state_of(client, resolved().fingerprint)


async def test_a_backlog_is_stored_and_never_acted_on(client):
    steps = ScriptedTelemetry(client, fetch=[a_batch(judged=False)], detect=Detected(alerts=(anomaly(),)))
    state = await run(client, steps)
    assert (state.batches, state.alerts, len(steps.requests("store"))) == (1, 0, 1)
    with pytest.raises(RPCError, match="not found"):
        await state_of(client, FIRST)


@pytest.mark.parametrize("step", ["process_traces", "process_logs", "correlate", "detect", "dashboard"])
@pytest.mark.parametrize("error", [raised(Permanent("no OTLP")), ApplicationError("a bug", type="KeyError")])
async def test_a_step_that_fails_for_good_ends_alone(client, step, error):
    steps = ScriptedTelemetry(client, **{step: error})
    state = await run(client, steps)
    assert (state.batches, len(steps.requests("store")), len(state.notes)) == (1, 1, 1)


@pytest.mark.parametrize("step", [name for name in STEPS if name != "dashboard"])
async def test_an_outage_ends_no_step_for_good(client, step):
    """Otherwise the offsets would move on without the data. After three attempts the batch is fetched again."""
    outcomes = ScriptedTelemetry(client).script[step]
    script = {step: [AWAY] * 3 + outcomes[:1]}
    if step != "fetch":
        script["fetch"] = [a_batch(), a_batch()]
    steps = ScriptedTelemetry(client, **script)
    state = await run(client, steps)
    assert (state.batches, state.items) == (1, 115)
    assert Counter(name for name, _ in steps.calls)["store"] == (4 if step == "store" else 1)
    assert "Unavailable: the database does not answer" in state.notes[0]


async def test_it_pauses_after_a_failure_and_lives_on(client):
    steps = ScriptedTelemetry(client, fetch=[AWAY] * 30 + [a_batch()])
    async with telemetry_worker(client, steps):
        handle = await start_pipeline(client)
        assert (await handle.result()).batches == 1
        events = (await handle.fetch_history()).events
    timers = [event.timer_started_event_attributes for event in events]
    assert [one.start_to_fire_timeout.ToTimedelta() for one in timers if one.timer_id] == [PAUSE] * 10


async def test_it_continues_as_new_with_its_state(client):
    batches = [a_batch(number) for number in range(1, BATCHES_PER_RUN + 2)]
    once = [PolicyReading(parameters=STRICT), raised(Permanent("forbidden"))]
    steps = ScriptedTelemetry(client, fetch=batches, read=once)
    async with telemetry_worker(client, steps):
        handle = await start_pipeline(client, shards=3)
        first = handle.first_execution_run_id
        state = await handle.result()
        assert (await client.get_workflow_handle(handle.id).describe()).run_id != first
    assert state.batches == BATCHES_PER_RUN + 1
    assert {request.shards for request in steps.requests("fetch")} == {3}
    assert len(steps.requests("read")) > 1  # each run asks
    assert (parameters_of(steps, "detect")[-1], state.parameters) == (STRICT, STRICT)


async def test_it_shows_its_state_and_stops_without_a_batch(client):
    seen = []

    async def look(_request):
        seen.append(await client.get_workflow_handle("telemetry-0").query("getState", result_type=PipelineState))
        return EMPTY

    state = await run(client, ScriptedTelemetry(client, fetch=[a_batch(), look]))
    assert [one.batches for one in seen] == [1]
    assert state == seen[0]


async def test_what_a_step_gave_up_itself_is_noted(client):
    given_up = Processed(signal=TelemetrySignal.LOGS, error="400 records of 400 are no OTLP")
    state = await run(client, ScriptedTelemetry(client, process_logs=given_up))
    assert state.notes == ("logs of batch batch-1: 400 records of 400 are no OTLP",)


def parameters_of(steps, name):
    return [batch.parameters for batch in steps.requests(name)]


async def test_detection_and_store_get_the_parameters_of_the_policies(client):
    steps = ScriptedTelemetry(client, read=PolicyReading(parameters=STRICT))
    state = await run(client, steps)
    assert parameters_of(steps, "detect") == parameters_of(steps, "store") == [state.parameters] == [STRICT]
    assert parameters_of(steps, "process_traces") == [None]


async def test_the_policies_are_read_again_after_five_minutes(client):
    readings = [PolicyReading(parameters=DEFAULTS), PolicyReading(parameters=STRICT)]
    pauses = round(INTERVAL / PAUSE)
    steps = ScriptedTelemetry(
        client, read=readings, fetch=[a_batch(1), a_batch(2), *[raised(Permanent("no topic"))] * pauses, a_batch(3)]
    )
    await run(client, steps)
    assert len(steps.requests("read")) == 2
    assert parameters_of(steps, "detect") == [DEFAULTS, DEFAULTS, STRICT]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (raised(Permanent("forbidden")), "Permanent: forbidden"),
        (raised(Unavailable("no API server")), "Unavailable: no API server"),
    ],
)
async def test_parameters_stay_when_the_policies_cannot_be_read(client, failure, told):
    steps = ScriptedTelemetry(client, read=failure)
    state = await run(client, steps, state=PipelineState(parameters=STRICT))
    assert (parameters_of(steps, "detect"), state.batches, state.parameters) == ([STRICT], 1, STRICT)
    assert state.notes == (f"the policies were not read: {told}",)


async def test_it_goes_on_without_the_main_worker(client):
    steps = ScriptedTelemetry(client)
    async with telemetry_worker(client, steps, main=False):
        state = await (await start_pipeline(client)).result()
    assert (state.batches, state.parameters, parameters_of(steps, "detect")) == (1, None, [None])
    assert state.notes[0].startswith("the policies were not read: Unanswered")


async def test_a_policy_that_is_skipped_is_noted_and_the_others_count(client):
    problem = "policy a is invalid (spec.telemetry.learn) and skipped in detection"
    state = await run(client, ScriptedTelemetry(client, read=PolicyReading(parameters=STRICT, problems=(problem,))))
    assert (state.parameters, state.notes) == (STRICT, (problem,))


async def test_a_cancellation_ends_it(client):
    async def cancel(_request):
        await client.get_workflow_handle("telemetry-0").cancel()
        return EMPTY

    async with telemetry_worker(client, ScriptedTelemetry(client, fetch=[cancel, EMPTY])):
        assert await ending(await start_pipeline(client)) == "Cancelled"


def test_queues():
    assert telemetry_queue("prunella") == "prunella-telemetry"
    assert main_queue(telemetry_queue("prunella")) == "prunella"


def test_its_name():
    assert TelemetryPipeline.__name__ == "TelemetryPipeline"
