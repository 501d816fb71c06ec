"""The pipeline under load while its parts are killed: nothing is lost, counted twice, or told twice.

`make test` kills the worker at one point, right after a store; `make chaos` at every point, and everything around it.
"""

import asyncio
import time

import pytest
from support import programs
from support.telemetry_run import running
from support.telemetry_worker import STEPS

POINTS = [f"{step}:{when}" for step in STEPS for when in ("before", "after")]
SHORT = ["storeTelemetry:after"]


@pytest.fixture(autouse=True)
def _programs():
    programs.kafka()
    programs.postgresql()
    programs.program("collector")


@pytest.mark.parametrize(
    "points",
    [
        pytest.param(SHORT, marks=[pytest.mark.integration, pytest.mark.timeout(600)], id="short"),
        pytest.param(POINTS, marks=[pytest.mark.chaos, pytest.mark.timeout(3600)], id="all"),
    ],
)
async def test_a_worker_is_killed_at_each_point(tmp_path, points):
    def play(run):
        run.teach()
        for point in points:
            run.die_at(point)
        run.load.stop()
        return run.settle(run.load.totals.items)

    async with running(tmp_path) as run:
        stored = await asyncio.to_thread(play, run)
        assert stored == run.expected
        run.assert_told_once()


@pytest.mark.chaos
@pytest.mark.timeout(1800)
async def test_everything_around_the_worker_is_killed(tmp_path):
    """Broker, database, Temporal and Collector, one after the other, and away for a while.

    A Collector that was killed sends once more what it does not know to be in Kafka; of spans that come twice in one
    batch, one is stored.
    """

    def play(run):
        run.teach()
        for part in (run.broker, run.database, run.temporal):
            _away(part, seconds=15)
            time.sleep(45)
        before = run.load.totals.items
        assert before <= run.in_kafka()
        _away(run.collector, seconds=5)
        time.sleep(30)
        run.load.stop()
        return run.settle(run.load.totals.items), run.in_kafka()

    async with running(tmp_path) as run:
        stored, in_kafka = await asyncio.to_thread(play, run)
        assert run.load.totals.items <= stored["items"] <= in_kafka
        if in_kafka == run.load.totals.items:
            assert stored == run.expected
        run.assert_told_once()


def _away(part, seconds):
    part.kill()
    time.sleep(seconds)
    part.start()


@pytest.mark.chaos
@pytest.mark.timeout(1200)
async def test_shards_change_while_the_pipeline_runs(tmp_path):
    """First shard 0 alone has all partitions; then shard 1 of two claims half of them too; then both share them."""

    async with running(tmp_path) as run:
        await asyncio.to_thread(run.teach)
        async with run.more_shards(2):
            await asyncio.sleep(60)
            await run.start_again(shard=0, shards=2)
            await asyncio.sleep(60)
            await asyncio.to_thread(run.load.stop)
            assert await asyncio.to_thread(run.settle, run.load.totals.items) == run.expected
        run.assert_told_once()
