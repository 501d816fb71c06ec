"""The environment of sagas: the order of five steps, and books in which its activities write their effects.

A script gives an activity its outcomes, one an attempt; the last one is repeated. An outcome is None, an exception, or
an (async) function of the attempt's Entry. By default every activity has its effect at once.
"""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from inspect import isawaitable
from typing import NamedTuple

from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import CancelledError
from temporalio.worker import Worker
from workflow.saga_workflows import OrderSaga

from prunella_workflows.patterns import idempotency_key
from prunella_workflows.temporal.sandbox import workflow_runner

QUEUE = "orders"
STEPS = {
    "reserve_stock": "release_stock",
    "authorise_payment": "void_payment",
    "create_order": "cancel_order",
    "capture_payment": "refund_payment",
    "commit_stock": None,
}
COMPENSATIONS = {compensation: step for step, compensation in STEPS.items() if compensation}
NAMES = (*STEPS, *COMPENSATIONS)


class Entry(NamedTuple):
    """An attempt of an activity."""

    name: str
    argument: str
    key: str


class Books:
    """Attempts, and effects by key: one that is repeated has its effect once."""

    def __init__(self, **script):
        self.script = {name: one if isinstance(one, list) else [one] for name, one in script.items()}
        self.attempts = []
        self.effects = {}
        self._counts = Counter()
        self._changed = asyncio.Condition()

    async def attempt(self, name, argument):
        entry = Entry(name, argument, idempotency_key())
        async with self._changed:
            self.attempts.append(entry)
            self._changed.notify_all()
        outcomes = self.script.get(name, [None])
        outcome = outcomes[min(self._counts[name], len(outcomes) - 1)]
        self._counts[name] += 1
        outcome = outcome(entry) if callable(outcome) else outcome
        if isawaitable(outcome):
            outcome = await outcome
        if isinstance(outcome, BaseException):
            raise outcome.with_traceback(None)  # one error is raised again and again
        self.write(entry)
        return f"{name} of {argument}"

    def write(self, entry):
        """Have the effect, unless this key has it."""
        self.effects.setdefault((entry.name, entry.key), entry)

    async def attempted(self, name):
        """Wait for an attempt."""
        async with self._changed:
            await self._changed.wait_for(lambda: name in self.order)

    @property
    def order(self):
        """The activities in the order of their first attempt."""
        return list(dict.fromkeys(entry.name for entry in self.attempts))

    @property
    def compensated(self):
        """The steps whose compensation was attempted, in order."""
        return [COMPENSATIONS[name] for name in self.order if name in COMPENSATIONS]

    def activities(self):
        return [self._activity(name) for name in NAMES]

    def _activity(self, name):
        @activity.defn(name=name)
        async def run(argument: str) -> str:
            return await self.attempt(name, argument)

        return run


@asynccontextmanager
async def saga_worker(client: Client, books: Books, *workflows, **options):
    async with Worker(
        client,
        task_queue=QUEUE,
        workflows=workflows or (OrderSaga,),
        activities=books.activities(),
        workflow_runner=workflow_runner(),
        **options,
    ) as worker:
        yield worker


async def start(client: Client, saga=OrderSaga, id="order-1", **options):  # noqa: A002 - Temporal's name
    return await client.start_workflow(saga.run, "17", id=id, task_queue=QUEUE, **options)


async def failure(handle):
    """The error that ended the workflow, or None."""
    try:
        await handle.result()
    except WorkflowFailureError as error:
        return error.cause
    return None


async def ending(handle):
    """The end of the workflow: Completed, Cancelled, or the type of its error."""
    error = await failure(handle)
    if error is None:
        return "Completed"
    return "Cancelled" if isinstance(error, CancelledError) else error.type
