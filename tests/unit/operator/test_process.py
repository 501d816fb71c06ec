"""The parts of a process: their log lines, and their orderly end."""

import asyncio

import pytest

from prunella_operator import process
from prunella_operator.process import Process


async def test_readiness_is_what_the_parts_say():
    subject = Process({"pods": lambda: "", "temporal": lambda: "away"})
    assert subject.readiness() == {"pods": "", "temporal": "away"}


async def test_a_part_that_ends_ends_the_process():
    subject = Process()
    subject.start("short", asyncio.sleep(0))
    with pytest.raises(RuntimeError, match="short ended by itself"):
        await subject.ended()


async def test_a_part_that_fails_ends_the_process_with_its_error():
    async def fail():
        raise ValueError("why")

    subject = Process()
    subject.start("long", asyncio.sleep(30))
    subject.start("bad", fail())
    with pytest.raises(ValueError, match="why"):
        await subject.ended()
    await subject.stop()


async def test_a_part_that_misses_its_cancellation_is_told_again(monkeypatch):
    monkeypatch.setattr(process, "_CANCEL_INTERVAL_SECONDS", 0.05)

    async def deaf():
        for _ in range(3):
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                continue

    subject = Process()
    subject.start("deaf", deaf())
    await asyncio.sleep(0)
    await asyncio.wait_for(subject.stop(), 2)
    assert all(task.done() for task in subject.tasks)


async def test_what_runs_for_a_while_only_is_silent_afterwards():
    subject = Process({"leader": lambda: ""})
    async with subject.part() as part:
        part.checks["pods"] = lambda: "the first list was not read yet"
        part.start("pods", asyncio.sleep(30))
        assert subject.readiness() == {"leader": "", "pods": "the first list was not read yet"}
    assert subject.readiness() == {"leader": ""}
    assert part.tasks[0].cancelled()


async def test_nothing_to_stop():
    await Process().stop()
