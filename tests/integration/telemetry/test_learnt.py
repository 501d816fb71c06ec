"""Detectors read their states only if another worker, or another attempt, wrote them last."""

import json

import pytest
from support import otlp

from prunella_operator import clock

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
STAGED = "SELECT body FROM telemetry_stage WHERE name = 'detector'"
STORED = "SELECT body FROM telemetry_state WHERE name = 'detector'"


def send(pipe, service, age):
    """Requests of a service, `age` seconds ago."""
    end = int(clock.now().timestamp() * 1e9) - age * otlp.SECOND
    pipe.send("traces", otlp.traces(5, end, seed=age, services=(service,)))


async def known(pipe):
    """The services that the stored states know."""
    [(body,)] = await pipe.ask(STORED)
    return {row[0][0] for row in json.loads(body)["services"].values()}


async def test_a_worker_does_not_read_what_it_has_stored_itself(pipe):
    send(pipe, "first", age=90)
    await pipe.pump()
    await pipe.ask("UPDATE telemetry_state SET body = 'no JSON' WHERE name = 'detector'")
    send(pipe, "second", age=30)
    await pipe.pump()
    send(pipe, "third", age=0)
    await pipe.pump()
    assert {"first", "second"} <= await known(pipe)


async def test_a_worker_reads_what_another_one_has_stored(pipe, other):
    for worker, service, age in ((pipe, "first", 120), (other, "second", 60), (pipe, "third", 30), (pipe, "last", 0)):
        send(pipe, service, age)
        await worker.pump()
    assert {"first", "second", "third"} <= await known(pipe)


async def test_an_attempt_that_is_repeated_learns_nothing_twice(pipe):
    send(pipe, "first", age=90)
    await pipe.pump()
    send(pipe, "first", age=0)
    batch = await pipe.fetch()
    await pipe.process(batch)
    once = await pipe.ask(STAGED)
    await pipe.run("detect", batch)
    assert await pipe.ask(STAGED) == once
    await pipe.run("store", batch)
    assert await pipe.ask(STORED) == once
