"""TelemetryPipeline: one shard's telemetry, batch by batch, from Kafka to alerts and the database.

fetch -> traces, metrics and logs in parallel -> correlate -> detect -> one AlertHandling for each anomaly -> store ->
dashboard. The store moves the offsets, and alerts know their repeats: a batch that is repeated has its effects once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from prunella_workflows.contracts import options
from prunella_workflows.contracts.telemetry import (
    BATCHES_PER_RUN,
    START_TO_CLOSE_TIMEOUT,
    Batch,
    Correlated,
    Detected,
    FetchRequest,
    PipelineRequest,
    PipelineState,
    Processed,
    TelemetryActivities,
    TelemetrySignal,
)
from prunella_workflows.model.telemetry_policy import DEFAULTS
from prunella_workflows.telemetry.alert_children import send_all
from prunella_workflows.telemetry.policy_reading import INTERVAL, read_policy
from prunella_workflows.temporal.activity_calls import is_unreachable
from prunella_workflows.temporal.failures import UNANSWERED, error_message, error_type

A = TypeVar("A")
R = TypeVar("R")

PAUSE = timedelta(seconds=30)
"""After a batch that failed; it is fetched again then."""

_MAX_CRASHES = 3
"""Rounds in a row in which workers die in a step before it is given up: its data may be what kills them."""

_NOTES = 20
_PROCESSORS: tuple[tuple[TelemetrySignal, Callable[[TelemetryActivities, Batch], Awaitable[Processed]]], ...] = (
    (TelemetrySignal.TRACES, TelemetryActivities.process_traces),
    (TelemetrySignal.METRICS, TelemetryActivities.process_metrics),
    (TelemetrySignal.LOGS, TelemetryActivities.process_logs),
)


@workflow.defn(name="TelemetryPipeline")
class TelemetryPipeline:
    """One shard, for as long as it is not stopped. No failure ends it."""

    @workflow.init
    def __init__(self, request: PipelineRequest) -> None:
        self._request = request
        self._state = request.state
        self._stopped = False
        self._failed = 0
        self._next_reading = workflow.now()

    @workflow.run
    async def run(self, request: PipelineRequest) -> PipelineState:
        """Handle batches until the pipeline is stopped."""
        del request  # kept by __init__, so that it may be stopped before the first step
        for _ in range(BATCHES_PER_RUN):
            if self._stopped:
                return self._state
            await self._run_round()
            if workflow.info().is_continue_as_new_suggested():
                break
        if not self._stopped:
            workflow.continue_as_new(self._request.model_copy(update={"state": self._state}))
        return self._state

    @workflow.signal
    def stop(self) -> None:
        """End after the current batch."""
        self._stopped = True

    @workflow.query(name="getState")
    def get_state(self) -> PipelineState:
        """The state as it is now."""
        return self._state

    async def _run_round(self) -> None:
        """Handle the next batch. After a failure pause: what was not stored is fetched again."""
        try:
            await self._handle_next_batch()
            self._failed = 0
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self._failed += 1
            self._note(error.activity_type, error)
            await self._pause()

    async def _handle_next_batch(self) -> None:
        await self._read_policy()
        batch = await self._call(TelemetryActivities.fetch, self._next())
        if not batch.ranges:
            return
        steps = (self._attempt(process, batch, Processed(signal=signal)) for signal, process in _PROCESSORS)
        processed = await asyncio.gather(*steps)
        for part in processed:
            if part.error:
                self._remember(f"{part.signal} of batch {batch.id}: {part.error}")
        await self._attempt(TelemetryActivities.correlate, batch, Correlated())
        batch = batch.model_copy(update={"parameters": self._state.parameters})
        detected = await self._attempt(TelemetryActivities.detect, batch, Detected())
        alerts = detected.alerts if batch.judged else ()
        for problem in await send_all(alerts):
            self._remember(problem)
        await self._call(TelemetryActivities.store, batch)
        self._count(batch, processed, len(alerts))
        await self._update_dashboard(batch)

    def _next(self) -> FetchRequest:
        parameters = self._state.parameters or DEFAULTS
        return FetchRequest(shard=self._request.shard, shards=self._request.shards, lateness=parameters.lateness or 0.0)

    async def _read_policy(self) -> None:
        """Read the policies if it is time. Without an answer the parameters stay as they are."""
        if workflow.now() < self._next_reading:
            return
        self._next_reading = workflow.now() + INTERVAL
        try:
            reading = await read_policy()
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self._note("the policies were not read", error)
            return
        self._set(parameters=reading.parameters)
        for problem in reading.problems:
            self._remember(problem)

    async def _attempt(self, step: Callable[[TelemetryActivities, Batch], Awaitable[R]], batch: Batch, without: R) -> R:
        """Run a step. One that fails for good ends alone, and the batch continues `without` its result.

        Raises:
            ActivityError: Kafka, the database or the worker was away, which says nothing about the data.
        """
        try:
            return await self._call(step, batch)
        except ActivityError as error:
            crashes = error_type(error) == UNANSWERED and self._failed >= _MAX_CRASHES
            if is_cancelled_exception(error) or (is_unreachable(error) and not crashes):
                raise
            self._note(f"{error.activity_type} of batch {batch.id} was given up", error)
            return without

    async def _update_dashboard(self, batch: Batch) -> None:
        try:
            await self._call(TelemetryActivities.dashboard, batch)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            self._note(error.activity_type, error)

    async def _call(self, method: Callable[[TelemetryActivities, A], Awaitable[R]], argument: A) -> R:
        return await workflow.execute_activity_method(
            method,
            argument,
            start_to_close_timeout=START_TO_CLOSE_TIMEOUT,
            heartbeat_timeout=timedelta(seconds=self._request.heartbeat),
            retry_policy=options.TELEMETRY,
        )

    async def _pause(self) -> None:
        try:
            await workflow.wait_condition(lambda: self._stopped, timeout=PAUSE)
        except TimeoutError:
            return

    def _count(self, batch: Batch, processed: list[Processed], alerts: int) -> None:
        state = self._state
        self._set(
            batches=state.batches + 1,
            items=state.items + sum(part.items for part in processed),
            dead=state.dead + sum(part.dead for part in processed),
            alerts=state.alerts + alerts,
            lag=batch.lag,
            last_batch=batch.id,
            last_at=workflow.now(),
        )

    def _note(self, what: str, error: ActivityError) -> None:
        self._remember(f"{what}: {error_type(error)}: {error_message(error)}")

    def _remember(self, text: str) -> None:
        """Note what went wrong; the newest notes are kept."""
        note = text[:500]
        others = tuple(other for other in self._state.notes if other != note)
        self._set(notes=(*others, note)[-_NOTES:])

    def _set(self, **values: object) -> None:
        self._state = self._state.model_copy(update=values)
