"""The pipeline's activities on a real Kafka and a real PostgreSQL, called as the worker calls them. No cluster."""

import asyncio
import secrets
from contextlib import asynccontextmanager

import asyncpg
import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from support import programs
from support.api import until
from telemetrystack.kafka import Broker
from telemetrystack.postgresql import PostgreSQL
from temporalio.testing import ActivityEnvironment

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry import fetching
from prunella_operator.telemetry.kafka.configuration import configuration
from prunella_operator.telemetry.kafka.reader import Reader
from prunella_operator.telemetry.store.database import Database, read_url
from prunella_operator.telemetry.worker import build_activities
from prunella_workflows.contracts.telemetry import FetchRequest

PARTITIONS = 4


@pytest.fixture(scope="session")
def broker():
    programs.kafka()
    with Broker(partitions=PARTITIONS) as running:
        yield running


@pytest.fixture(scope="session")
def postgresql():
    programs.postgresql()
    with PostgreSQL(arguments=("-c", "fsync=off")) as running:
        yield running


@pytest.fixture
async def database(postgresql):
    """The URL of a new database."""
    name = f"t{secrets.token_hex(4)}"
    connection = await asyncpg.connect(postgresql.dsn)
    await connection.execute(f"CREATE DATABASE {name}")
    yield f"{postgresql.dsn.rpartition('/')[0]}/{name}"
    await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await connection.close()


@pytest.fixture
def settings(broker, database, tmp_path):
    """Settings with new topics and a new database."""
    mark = secrets.token_hex(4)
    topics = {f"telemetry_{name}_topic": f"{name}-{mark}" for name in ("traces", "metrics", "logs", "dead")}
    admin = AdminClient({"bootstrap.servers": broker.address, "log_level": 0})
    for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in topics.values()]).values():
        made.result()
    until(lambda: answer(broker.address, topics.values()), 60, "every partition answers", every=0.5)
    (tmp_path / "url").write_text(database)
    return Settings(telemetry_kafka=broker.address, telemetry_database_url_file=str(tmp_path / "url"), **topics)


def answer(address, topics):
    """Check that all partitions answer: right after they are made, a broker may not know that it leads them."""
    consumer = Consumer({"bootstrap.servers": address, "group.id": "tests", "log_level": 0})
    try:
        for place in (TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)):
            consumer.get_watermark_offsets(place, timeout=5)
    except KafkaException:
        return False
    finally:
        consumer.close()
    return True


class Pipe:
    """The activities of one worker, and what they have stored."""

    def __init__(self, settings, database, activities):
        self.settings, self.database, self.activities = settings, database, activities
        self._environment = ActivityEnvironment()

    async def run(self, name, argument):
        """Run an activity as the worker does."""
        return await self._environment.run(getattr(self.activities, name), argument)

    async def fetch(self, shard=0, shards=1):
        return await self.run("fetch", FetchRequest(shard=shard, shards=shards))

    async def process(self, batch):
        """All steps of a batch up to, and without, the store."""
        steps = ("process_traces", "process_metrics", "process_logs")
        counts = await asyncio.gather(*(self.run(step, batch) for step in steps))
        await self.run("correlate", batch)
        return counts, await self.run("detect", batch)

    async def pump(self, shard=0, shards=1):
        """Handle one batch."""
        batch = await self.fetch(shard, shards)
        await self.process(batch)
        stored = await self.run("store", batch)
        await self.run("dashboard", batch)
        return batch, stored

    async def ask(self, query, *arguments):
        """The rows of a query."""
        async with self.database.connection() as connection:
            return [tuple(row) for row in await connection.fetch(query, *arguments)]

    def send(self, signal, values, partition=None, stamp=0):
        """Send records to the topic of a signal. `stamp`: their time in ms; 0: now."""
        producer = Producer({"bootstrap.servers": self.settings.telemetry_kafka[0], "log_level": 0})
        for number, value in enumerate(values):
            place = number % PARTITIONS if partition is None else partition
            producer.produce(
                getattr(self.settings, f"telemetry_{signal}_topic"), value, partition=place, timestamp=stamp
            )
        assert producer.flush(20) == 0


@asynccontextmanager
async def running_pipe(settings):
    database, reader = Database(read_url(settings)), Reader(configuration(settings))
    await database.migrate()
    yield Pipe(settings, database, build_activities(settings, database, reader))
    reader.close()
    await database.close()


@pytest.fixture
async def pipe(settings, monkeypatch):
    monkeypatch.setattr(fetching, "LINGER_SECONDS", 0.001)
    monkeypatch.setattr(fetching, "IDLE_SECONDS", 0.5)
    monkeypatch.setattr(fetching, "POLL_SECONDS", 0.1)
    async with running_pipe(settings) as running:
        yield running


@pytest.fixture
async def other(pipe):
    """Another worker of the same pipeline."""
    async with running_pipe(pipe.settings) as running:
        yield running
