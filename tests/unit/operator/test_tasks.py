"""The end of tasks."""

import asyncio

import pytest

from prunella_operator.tasks import end


async def test_it_waits_until_a_task_has_cleaned_up():
    closed = asyncio.Event()

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            closed.set()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    await end(task)
    assert closed.is_set()


async def test_a_task_that_failed_has_ended_too():
    async def fail():
        raise ValueError

    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    await end(task)
    assert isinstance(task.exception(), ValueError)


async def test_a_cancellation_of_the_one_who_waits_is_not_swallowed():
    async def slow():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)

    working = asyncio.create_task(slow())
    await asyncio.sleep(0)
    waiting = asyncio.create_task(end(working))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert working.done()
