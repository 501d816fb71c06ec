"""manifests/telemetry for real, without Kubernetes: three brokers as they are deployed, and the database's roles.

What the manifests say is what runs; only addresses, paths, memory, certificates and passwords are this machine's.
PostgreSQL is Debian's: that the schema fits TimescaleDB is test_timescaledb.py.
"""

import shutil
import signal
import socket
import time
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from localcluster import jars
from otlpload.generator import Generator
from otlpload.sender import Sender
from otlpload.shop import Shop
from otlpload.totals import Totals
from support import kafka_records, programs
from support.api import until
from support.certificates import Authority
from support.pods import Manifests, Net, Pod
from support.postgresql import Database
from telemetrystack.collector import to_kafka
from telemetrystack.kafka import DEAD, Login, create_topics
from telemetrystack.service import Service

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.kafka.configuration import configuration
from prunella_operator.telemetry.kafka.dead_letters import DeadLetters
from prunella_operator.telemetry.kafka.offsets import Offsets, Partition
from prunella_operator.telemetry.kafka.reader import Reader
from prunella_operator.telemetry.processing.records import DeadLetter
from prunella_operator.telemetry.store.schema import migrate
from prunella_workflows.contracts.telemetry import OffsetRange, TelemetrySignal
from prunella_workflows.model.errors import Unavailable

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200, func_only=True)]
FOLDER = Path(__file__).parents[3] / "manifests" / "telemetry"
USERS = ("admin", "collector", "prunella", "keda")
PASSWORDS = {
    "telemetry-database": {
        "postgres-password": "correct-horse",
        "telemetry-password": "battery-staple",
        "grafana-password": "paper-clip",
    }
}


class DeployedBroker(Service):
    """One broker of the StatefulSet, at an address of its own."""

    name = "kafka"
    stop_signal = signal.SIGKILL  # a controlled shutdown waits for the others

    def __init__(self, number, net, keys):
        super().__init__()
        self._number, self._net, self._keys = number, net, keys
        self.address = f"{net}.{number + 1}"

    def prepare(self):
        for name in ("kafka.sh", "server.properties", "log4j2.yaml"):
            text = (FOLDER / "files" / name).read_text()
            text = text.replace("$POD_NAME.telemetry-kafka.$POD_NAMESPACE.svc", self.address)
            for number in range(3):
                host = f"telemetry-kafka-{number}.telemetry-kafka.telemetry.svc"
                text = text.replace(host, f"{self._net}.{number + 1}")
            (self.folder / name).write_text(text.replace("0.0.0.0", self.address))

    def command(self):
        return ["sh", str(self.folder / "kafka.sh")]

    def environment(self):
        own = {"POD_NAME": f"telemetry-kafka-{self._number}", "KAFKA_LIBS": str(jars.ensure(jars.KAFKA))}
        paths = {"KAFKA_DATA": str(self.folder / "data"), "TMPDIR": str(self.folder)}
        paths |= {"KAFKA_TLS": str(self._keys / "tls"), "KAFKA_USERS": str(self._keys / "users")}
        quick = {"KAFKA_HEAP": "256m", "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
        return {**super().environment(), **own, **paths, **quick}

    def answers(self):
        return True  # it waits for a majority

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.address, 9092)) == 0


@pytest.fixture
def net():
    return Net().prefix


@pytest.fixture
def keys(tmp_path, net):
    """The two Secrets of the brokers, as folders."""
    for name in ("tls", "users"):
        (tmp_path / name).mkdir()
    authority = Authority(tmp_path)
    certificate, key = authority.issue("telemetry-kafka", [f"{net}.{number}" for number in (1, 2, 3)])
    files = {"ca.crt": authority.path, "tls.crt": certificate, "tls.key": key}
    for name, path in files.items():
        shutil.copy(path, tmp_path / "tls" / name)
    for user in USERS:
        (tmp_path / "users" / user).write_text(f"{user}-word")
    return tmp_path


@pytest.fixture
def login(keys):
    """The accounts of Kafka, by name."""
    return {user: Login(user, f"{user}-word", keys / "tls" / "ca.crt") for user in USERS}


@pytest.fixture
def brokers(net, keys, login):
    programs.kafka()
    with ExitStack() as stack:
        found = [stack.enter_context(DeployedBroker(number, net, keys)) for number in range(3)]
        until(lambda: all(broker.listens() for broker in found), 120, "all brokers listen")
        create_topics(",".join(f"{broker.address}:9092" for broker in found), replicas=3, login=login["admin"])
        yield found


def test_one_of_three_brokers_may_be_lost(brokers, login):
    programs.program("collector")
    addresses = [f"{broker.address}:9092" for broker in brokers]
    with to_kafka(",".join(addresses), login=login["collector"]) as collector:
        total = _send(collector, seconds=2)
        brokers[0].kill()
        total += _send(collector, seconds=2)
        found = lambda: kafka_records.items(addresses[2], "shop", login["prunella"])  # noqa: E731
        until(lambda: sum(found().values()) >= total.items, 120, "all is in Kafka")


def test_the_pipeline_has_a_password_and_without_it_is_told_so(brokers, login, keys):
    settings = _settings(brokers, login["prunella"], keys)
    place = Partition(DEAD, 0)
    DeadLetters(settings, DEAD).send([DeadLetter("otlp_logs/0/7", b"no otlp", "ValueError")])
    offsets = Offsets(settings)
    assert place in offsets.partitions([DEAD])
    (end,) = offsets.latest([place]).values()
    taken = OffsetRange(signal=TelemetrySignal.LOGS, topic=DEAD, partition=0, start=0, end=end)
    reader = Reader(settings)
    assert [value for records in reader.read([taken]) for value in records.values] == [b"no otlp"]
    reader.commit([taken])
    reader.close()
    for refused in (login["prunella"]._replace(password="guessed"), login["prunella"]._replace(user="unknown")):
        with pytest.raises(Unavailable, match=r"[Aa]uthentication failed"):
            Offsets(_settings(brokers, refused, keys)).partitions([DEAD])


def _settings(brokers, login, folder):
    """The configuration of a client by its Secret's file."""
    path = folder / "kafka.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in login.properties().items()))
    addresses = tuple(f"{broker.address}:9092" for broker in brokers)
    return configuration(Settings(telemetry_kafka=addresses, telemetry_kafka_properties=str(path)))


@pytest.fixture
def database(tmp_path):
    programs.postgresql()
    pod = Pod(Manifests(FOLDER), "StatefulSet", "telemetry-database", Net(), tmp_path / "pod", PASSWORDS)
    arguments = pod.container["args"]
    for number in reversed([number for number, word in enumerate(arguments) if "timescaledb" in word]):
        del arguments[number - 1 : number + 1]
    with Database(pod) as running:
        yield running


async def test_the_owner_makes_the_schema_and_grafana_only_reads(database):
    async with _connected(database, "telemetry", "battery-staple") as owner:
        assert not await migrate(owner)
    async with _connected(database, "grafana", "paper-clip") as grafana:
        assert await grafana.fetchval("SELECT count(*) FROM telemetry_anomaly") == 0
        await grafana.execute("SET default_transaction_read_only = off")
        for statement in ("DELETE FROM telemetry_anomaly", "CREATE TABLE mine ()", "CREATE TEMPORARY TABLE mine ()"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await grafana.execute(statement)


async def test_another_password_is_refused(database):
    with pytest.raises(asyncpg.InvalidPasswordError):
        async with _connected(database, "telemetry", "paper-clip"):
            pass


@asynccontextmanager
async def _connected(database, role, password):
    url = f"postgresql://{role}:{password}@{database.address}:5432/telemetry"
    connection = await asyncpg.connect(url, ssl=False)
    try:
        yield connection
    finally:
        await connection.close()


def _send(collector, seconds):
    """Send a steady load; return its totals."""
    generator, sender = Generator(Shop(), rate=100, seed=time.monotonic_ns()), Sender(collector.address)
    loads = [generator.second(1_700_000_000 + number) for number in range(seconds)]
    for request in (request for load in loads for request in load.requests):
        sender.send(request)
    sender.close()
    return sum((load.totals for load in loads), Totals())
