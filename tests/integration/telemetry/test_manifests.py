"""manifests/telemetry for real, without Kubernetes: three brokers as they are deployed, and the database's roles.

What the manifests say is what runs; only addresses, paths, memory, certificates and passwords are this machine's.
PostgreSQL is Debian's: that the schema fits TimescaleDB is test_timescaledb.py.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from pathlib import Path

import asyncpg
import pytest
from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
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
from telemetrystack.kafka import DEAD, SIGNALS, Login
from telemetrystack.service import Service

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.kafka.configuration import GROUP, configuration
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
LOGS = SIGNALS[2]
EMPTY = b""  # OTLP of any signal, with nothing in it
COMMANDS = {"topics": "TopicCommand", "acls": "AclCommand", "configs": "ConfigCommand"}
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
PASSWORDS = {
    "telemetry-database": {
        "postgres-password": "correct-horse",
        "telemetry-password": "battery-staple",
        "grafana-password": "paper-clip",
    }
}


class DeployedBroker(Service):
    """One broker of the StatefulSet, at an address of its own; `calls` has the command lines of its JVMs."""

    name = "kafka"
    stop_signal = signal.SIGKILL  # a controlled shutdown waits for the others

    def __init__(self, number, net, keys):
        super().__init__()
        self._number, self._net, self._keys = number, net, keys
        self.address = f"{net}.{number + 1}"
        self.calls = self.folder / "calls"

    def prepare(self):
        for name in ("kafka.sh", "server.properties", "log4j2.yaml"):
            text = (FOLDER / "files" / name).read_text()
            text = text.replace("$POD_NAME.telemetry-kafka.$POD_NAMESPACE.svc", self.address)
            for number in range(3):
                host = f"telemetry-kafka-{number}.telemetry-kafka.telemetry.svc"
                text = text.replace(host, f"{self._net}.{number + 1}")
            (self.folder / name).write_text(text.replace("0.0.0.0", self.address))
        program(self.folder / "java", f'printf "%s\\n" "$*" >> {self.calls}\nexec {shutil.which("java")} "$@"')

    def command(self):
        return ["sh", str(self.folder / "kafka.sh")]

    def environment(self):
        own = {"POD_NAME": f"telemetry-kafka-{self._number}", "KAFKA_LIBS": str(jars.ensure(jars.KAFKA))}
        paths = {"KAFKA_DATA": str(self.folder / "data"), "TMPDIR": str(self.folder)}
        paths |= {"KAFKA_TLS": str(self._keys / "tls"), "KAFKA_USERS": str(self._keys / "users")}
        paths |= {"PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}"}
        quick = {"KAFKA_HEAP": "256m", "JAVA_TOOL_OPTIONS": QUICK}
        return {**super().environment(), **own, **paths, **quick}

    def answers(self):
        return True  # it waits for a majority

    def listens(self):
        with socket.socket() as probe:
            return probe.connect_ex((self.address, 9092)) == 0


class Commands:
    """The commands of Kafka's image, for scripts and people who work beside the brokers."""

    def __init__(self, folder, brokers, keys):
        self.folder, self._brokers, self._keys = folder, brokers, keys
        for name, main in COMMANDS.items():
            java = f'exec java {QUICK} -cp "{jars.ensure(jars.KAFKA)}/*" org.apache.kafka.tools.{main} "$@"'
            program(folder / f"kafka-{name}.sh", java)

    def script(self, name, password):
        """Run a script of the manifests, as its Job does."""
        text = (FOLDER / "files" / name).read_text().replace("telemetry-kafka:9092", f"{self._brokers[0].address}:9092")
        text = text.replace("/tmp/", f"{self.folder}/").replace("/opt/kafka/bin", str(self.folder))
        text = text.replace("/etc/telemetry-kafka", str(self._keys / "tls"))
        self._run("sh", "-c", text, KAFKA_PASSWORD=password)

    def run(self, name, *options, entered=""):
        """Run a command as in a broker's pod, where its certificate may do everything; return its output."""
        broker = self._brokers[0]
        place = ("--bootstrap-server", f"{broker.address}:9094")
        configuration = ("--command-config", str(broker.folder / "client.properties"))
        return self._run(self.folder / f"kafka-{name}.sh", *place, *configuration, *options, entered=entered)

    def _run(self, *line, entered="", **more):
        done = subprocess.run(
            line, input=entered, env={**os.environ, **more}, capture_output=True, text=True, timeout=240, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def program(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture(scope="module")
def net():
    return Net().prefix


@pytest.fixture(scope="module")
def keys(tmp_path_factory, net):
    """The two Secrets of the brokers, as folders."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("tls", "users"):
        (folder / name).mkdir()
    authority = Authority(folder)
    certificate, key = authority.issue("telemetry-kafka", [f"{net}.{number}" for number in (1, 2, 3)])
    files = {"ca.crt": authority.path, "tls.crt": certificate, "tls.key": key}
    for name, path in files.items():
        shutil.copy(path, folder / "tls" / name)
    for user in USERS:
        (folder / "users" / user).write_text(f"{user}-word")
    return folder


@pytest.fixture(scope="module")
def login(keys):
    """The accounts of Kafka, by name."""
    return {user: Login(user, f"{user}-word", keys / "tls" / "ca.crt") for user in USERS}


@pytest.fixture(scope="module")
def brokers(net, keys):
    programs.kafka()
    with ExitStack() as stack:
        found = [stack.enter_context(DeployedBroker(number, net, keys)) for number in range(3)]
        until(lambda: all(broker.listens() for broker in found), 120, "all brokers listen")
        yield found


@pytest.fixture(scope="module")
def commands(brokers, keys, tmp_path_factory):
    """Commands beside brokers with the topics and permissions of the Job."""
    found = Commands(tmp_path_factory.mktemp("commands"), brokers, keys)
    found.script("topics.sh", "admin-word")
    return found


@pytest.fixture(scope="module")
def addresses(brokers, commands, login):
    """The addresses of brokers that have the topics, with a record in each, and know the group."""
    found = tuple(f"{broker.address}:9092" for broker in brokers)
    assert not any(_write(found, login["admin"], topic) for topic in (*SIGNALS, DEAD))
    with closing(_consumer(found, login["admin"])) as consumer:
        until(lambda: _committed(consumer), 60, "the group's coordinator answers")
    return found


def test_one_of_three_brokers_may_be_lost(brokers, addresses, login):
    programs.program("collector")
    with to_kafka(",".join(addresses), login=login["collector"]) as collector:
        total = _send(collector, seconds=2)
        with _killed(brokers[0]):
            total += _send(collector, seconds=2)
            until(lambda: _items(addresses, login) >= total.items, 120, "all is in Kafka")


def test_the_storage_is_formatted_once_and_no_password_is_on_a_command_line(brokers, addresses):
    with _killed(brokers[1]):
        pass
    calls = brokers[1].calls.read_text().splitlines()
    assert [["StorageTool" in call, "kafka.Kafka" in call] for call in calls[:2]] == [[True, False], [False, True]]
    assert all("kafka.Kafka" in call for call in calls[2:])
    assert not [call for call in calls if "-word" in call]
    assert not [path for path in brokers[1].folder.iterdir() if path.is_file() and b"-word" in path.read_bytes()]


def test_the_pipeline_has_a_password_and_without_it_is_told_so(addresses, login, keys):
    settings = _settings(addresses, login["prunella"], keys)
    DeadLetters(settings, DEAD).send([DeadLetter("otlp_logs/0/7", b"no otlp", "ValueError")])
    assert _write(addresses, login["collector"], LOGS) is None
    offsets, place = Offsets(settings), Partition(LOGS, 0)
    assert place in offsets.partitions([LOGS])
    (end,) = offsets.latest([place]).values()
    taken = OffsetRange(signal=TelemetrySignal.LOGS, topic=LOGS, partition=0, start=end - 1, end=end)
    reader = Reader(settings)
    assert [value for records in reader.read([taken]) for value in records.values] == [EMPTY]
    reader.commit([taken])
    reader.close()
    for refused in (login["prunella"]._replace(password="guessed"), login["prunella"]._replace(user="unknown")):
        with pytest.raises(Unavailable, match=r"[Aa]uthentication failed"):
            Offsets(_settings(addresses, refused, keys)).partitions([LOGS])


@pytest.mark.parametrize(
    ("user", "writes", "reads"),
    [
        ("collector", SIGNALS, ()),
        ("prunella", (DEAD,), SIGNALS),
        ("keda", (), ()),
        ("admin", (*SIGNALS, DEAD), SIGNALS),
    ],
)
def test_a_user_may_do_what_it_is_for_and_no_more(addresses, login, user, writes, reads):
    for topic in (*SIGNALS, DEAD):
        expected = None if topic in writes else KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert (topic, _write(addresses, login[user], topic)) == (topic, expected)
    for topic in SIGNALS:
        expected = None if topic in reads else KafkaError.TOPIC_AUTHORIZATION_FAILED
        assert (topic, _read(addresses, login[user], topic)) == (topic, expected)


def test_keda_sees_the_lag_and_may_not_move_it(addresses, login):
    with closing(_consumer(addresses, login["keda"])) as consumer:
        assert consumer.committed([TopicPartition(LOGS, 0)], timeout=60)[0].error is None
        assert consumer.get_watermark_offsets(TopicPartition(LOGS, 0), timeout=60)[1] >= 1
        with pytest.raises(KafkaException) as error:
            consumer.commit(offsets=[TopicPartition(LOGS, 0, 0)], asynchronous=False)
    assert error.value.args[0].code() == KafkaError.GROUP_AUTHORIZATION_FAILED


def test_a_user_is_added_as_the_page_says(commands, addresses, login):
    reports = login["keda"]._replace(user="reports", password="reports-word")
    named = ("--entity-type", "users", "--entity-name", "reports")
    word = "SCRAM-SHA-512=password=reports-word\n"
    commands.run("configs", "--alter", *named, "--add-config-file", "/dev/stdin", entered=word)
    until(lambda: _write(addresses, reports, LOGS) == KafkaError.TOPIC_AUTHORIZATION_FAILED, 60, "it is known")
    allowed = ("--add", "--allow-principal", "User:reports", "--operation", "Write", "--topic", LOGS)
    commands.run("acls", *allowed)
    until(lambda: _write(addresses, reports, LOGS) is None, 60, "it may write")
    commands.script("topics.sh", "admin-word")


@contextmanager
def _killed(broker):
    """A broker is away; afterwards it is back."""
    broker.kill()
    try:
        yield
    finally:
        broker.start()
        until(broker.listens, 120, "the broker is back")


def _items(addresses, login):
    """The number of items of the shop in Kafka, as the last broker knows it."""
    return sum(kafka_records.items(addresses[2], "shop", login["admin"]).values())


def _client(addresses, login):
    return {"bootstrap.servers": ",".join(addresses), "log_level": 0, **login.properties()}


def _consumer(addresses, login):
    return Consumer({**_client(addresses, login), "group.id": GROUP, "enable.auto.commit": False})


def _committed(consumer):
    """The offset of the group; None while its coordinator does not answer."""
    try:
        return consumer.committed([TopicPartition(LOGS, 0)], timeout=10)
    except KafkaException:
        return None


def _write(addresses, login, topic):
    """Write a record to partition 0; return the code of the error, or None."""
    producer, errors = Producer({**_client(addresses, login), "message.timeout.ms": 30_000}), []
    producer.produce(topic, EMPTY, key=b"key", partition=0, on_delivery=lambda error, _: errors.append(error))
    assert producer.flush(40) == 0
    return errors[0] and errors[0].code()


def _read(addresses, login, topic):
    """Ask for a record of partition 0; return the code of the error, or None."""
    consumer = _consumer(addresses, login)
    try:
        consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
        polled = (consumer.poll(1) for _ in range(30))
        codes = (found.error() and found.error().code() for found in polled if found is not None)
        return next(code for code in codes if code != KafkaError.GROUP_AUTHORIZATION_FAILED)
    finally:
        consumer.close()


def _settings(addresses, login, folder):
    """The configuration of a client by its Secret's file."""
    path = folder / "kafka.properties"
    path.write_text("".join(f"{name}={value}\n" for name, value in login.properties().items()))
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
