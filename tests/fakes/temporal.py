"""Temporal in memory, one workflow run at a time: its real code, with a clock and activities that a test controls.

The run stops wherever it waits for an activity, a timer or a person. A worker's death means an activity that is done in
part or in full and whose result is lost; Temporal then gives the same call to another worker.
"""

import asyncio
import logging
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from types import SimpleNamespace
from unittest.mock import patch

from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, RetryState
from temporalio.workflow import ParentClosePolicy

from prunella_workflows.healing import approval, repair_attempt, reporter
from prunella_workflows.healing import workflow as healing
from prunella_workflows.temporal import activity_calls

_MODULES = (activity_calls, repair_attempt, healing, approval, reporter)  # those that use temporalio.workflow
_LOG = logging.getLogger("fakes.temporal")


@dataclass
class Call:
    """A pending activity. `attempt` counts from 1."""

    name: str
    argument: object
    answer: asyncio.Future
    most: int
    attempt: int = 1


class Run:
    """A run of SelfHealing. `clock()` is the time; call `settle` after moving it."""

    def __init__(self, clock, request):
        self._clock = clock
        self._loop = asyncio.new_event_loop()
        self._patches = ExitStack()
        for module in _MODULES:
            self._patches.enter_context(patch.object(module, "workflow", self._workflow()))
        self.calls = []
        self.timers = []
        self._conditions = []
        self.workflow = healing.SelfHealing(request)
        self._main = self._loop.create_task(self.workflow.run(request))
        self.settle()

    def _workflow(self):
        return SimpleNamespace(
            now=self._clock,
            info=lambda: SimpleNamespace(run_id="run", task_queue="prunella"),
            logger=_LOG,
            sleep=self._sleep,
            wait_condition=self._wait_condition,
            execute_activity_method=self._execute,
            start_child_workflow=self._start_child,
            ParentClosePolicy=ParentClosePolicy,
        )

    @property
    def done(self):
        return self._main.done()

    @property
    def waits_for_people(self):
        return bool(self._conditions)

    def close(self):
        """Drop the run where it is, as a worker that dies does."""
        for task in asyncio.all_tasks(self._loop):
            task._log_destroy_pending = False
            with suppress(RuntimeError):  # one that ignores it
                task.get_coro().close()
        self._patches.close()
        self._loop.close()

    def settle(self):
        """Run until everything waits. An error that is not an ActivityError is a bug."""
        for _ in range(20):
            self._fire()
            self._loop.run_until_complete(asyncio.sleep(0))
        error = self._main.exception() if self.done and not self._main.cancelled() else None
        if error is not None and not isinstance(error, ActivityError):
            raise error

    def cancel(self):
        self._main.cancel()
        self.settle()

    def next_timer(self):
        """The seconds to the next timer; None without one."""
        due = [at for at, _ in self.timers] + [at for _, at, _ in self._conditions if at is not None]
        return max(0.0, (min(due) - self._clock()).total_seconds()) if due else None

    def answered(self, call, result):
        """Complete an activity."""
        self.calls.remove(call)
        if not call.answer.done():
            call.answer.set_result(result)
        self.settle()

    def failed(self, call, error):
        """Fail an activity, or time it out (`error` is None): it is retried unless that was its last attempt."""
        final = isinstance(error, ApplicationError) and error.non_retryable
        if not final and call.attempt < call.most:
            call.attempt += 1
            return
        self.calls.remove(call)
        if not call.answer.done():
            call.answer.set_exception(_failed(call.name, error or TimeoutError("StartToClose")))
        self.settle()

    def _fire(self):
        now = self._clock()
        for timer in [timer for timer in self.timers if timer[0] <= now]:
            self.timers.remove(timer)
            _resolve(timer[1])
        for condition in list(self._conditions):
            holds, until, future = condition
            if holds() or (until is not None and until <= now):
                self._conditions.remove(condition)
                _resolve(future)

    async def _sleep(self, duration):
        future = self._loop.create_future()
        self.timers.append((self._clock() + duration, future))
        await future

    async def _wait_condition(self, holds, *, timeout=None):  # noqa: ASYNC109 - as Temporal has it
        future = self._loop.create_future()
        until = self._clock() + timeout if timeout is not None else None
        condition = (holds, until, future)
        self._conditions.append(condition)
        try:
            await future
        finally:
            if condition in self._conditions:
                self._conditions.remove(condition)
        if not holds():
            raise TimeoutError

    async def _execute(self, method, argument, *, start_to_close_timeout, retry_policy, **_options):
        assert start_to_close_timeout > timedelta()
        call = Call(method.__name__, argument, self._loop.create_future(), retry_policy.maximum_attempts or 1000)
        self.calls.append(call)
        try:
            return await call.answer
        except asyncio.CancelledError:
            if call in self.calls:
                self.calls.remove(call)
            cause = CancelledError("cancelled")
            raise _failed(call.name, cause) from cause

    async def _start_child(self, *_args, **_options):
        return None


def _resolve(future):
    if not future.done():
        future.set_result(None)


def _failed(name, cause):
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="fake",
        activity_type=name,
        activity_id="1",
        retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED,
    )
    error.__cause__ = cause
    return error
