"""A real Apache Kafka: one process that is broker and controller (KRaft), with the topics of the pipeline."""

import hashlib
import os
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from localcluster import jars
from localcluster.console import run, say
from localcluster.ports import free_ports, listens

from telemetrystack.service import Service

PARTITIONS = 12
SIGNALS = ("otlp_spans", "otlp_metrics", "otlp_logs")
DEAD = "prunella.telemetry.dead"

_LEADERS_WITHIN = 30.0
_SMALL_JVM = ("-Xmx256m", "-Xms64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xlog:disable")
_LOGGING = """<Configuration status="WARN"><Appenders><Console name="out"><PatternLayout pattern="%d %p %m (%c)%n"/>
</Console></Appenders><Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""
_ONE_BROKER = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "controller.listener.names": "CONTROLLER",
    "broker.heartbeat.interval.ms": "500",
    "broker.session.timeout.ms": "2000",  # a broker that was killed and started again waits for this
    "auto.create.topics.enable": "false",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "message.max.bytes": "2097152",
    "log.retention.hours": "24",
    "controlled.shutdown.enable": "false",  # there is no other broker that could take over
}


class Login(NamedTuple):
    """An account of a Kafka that wants passwords; `authority` has signed the certificates of its brokers (PEM)."""

    user: str
    password: str
    authority: Path

    def properties(self) -> dict[str, str]:
        """Those of librdkafka."""
        return {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.user,
            "sasl.password": self.password,
            "ssl.ca.location": str(self.authority),
        }


class Broker(Service):
    """One broker on free loopback ports, with the topics of the pipeline."""

    name = "kafka"

    def __init__(self, log: Path | None = None, partitions: int = PARTITIONS, classes: str = "") -> None:
        """`classes`: the JVM's option for the archive of classes, by default to use it."""
        super().__init__(log)
        self._libs = jars.ensure(jars.KAFKA)
        self._classes = classes or f"-XX:SharedArchiveFile={_class_archive(self._libs)}"
        self._port, self._controller = free_ports(2)
        self._partitions = partitions
        self.address = f"127.0.0.1:{self._port}"

    def prepare(self) -> None:
        """Write the configuration and format the storage."""
        self._properties.write_text("".join(f"{key}={value}\n" for key, value in self._settings().items()))
        self._logging.write_text(_LOGGING)
        identity = urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        options = (f"--cluster-id=id{identity}", f"--config={self._properties}", "--standalone")
        run(*self._java(), "kafka.tools.StorageTool", "format", *options, cwd=self.folder)

    def command(self) -> list[str]:
        """The broker with its file of properties."""
        return [*self._java(self._classes), "kafka.Kafka", str(self._properties)]

    def answers(self) -> bool:
        """Its port is open once it has registered itself."""
        return listens(self._port)

    def create_topics(self) -> None:
        """Create the topics that are missing."""
        create_topics(self.address, self._partitions)

    @property
    def _properties(self) -> Path:
        return self.folder / "server.properties"

    @property
    def _logging(self) -> Path:
        return self.folder / "log4j2.xml"

    def _settings(self) -> Mapping[str, str]:
        controller = f"127.0.0.1:{self._controller}"
        listeners = f"PLAINTEXT://{self.address},CONTROLLER://{controller}"
        own = {"listeners": listeners, "advertised.listeners": listeners, "log.dirs": str(self.folder / "data")}
        return {**_ONE_BROKER, **own, "controller.quorum.bootstrap.servers": controller}

    def _java(self, *options: str) -> list[str]:
        return ["java", *_SMALL_JVM, f"-Dlog4j2.configurationFile={self._logging}", *options, "-cp", f"{self._libs}/*"]


def _class_archive(libs: Path) -> Path:
    """The JVM's archive of Kafka's loaded classes (AppCDS), which halves the time to start; recorded once per JVM."""
    jvm = hashlib.sha256(run("java", "--version").encode()).hexdigest()[:8]
    archive = libs / f"classes-{jvm}.jsa"
    if not archive.exists():
        say("recording the classes of kafka, so that it starts faster from now on")
        partial = libs / f".{os.getpid()}.jsa"
        with Broker(classes=f"-XX:ArchiveClassesAtExit={partial}"):
            pass  # they are written when it stops
        partial.replace(archive)
    return archive


def create_topics(address: str, partitions: int = PARTITIONS) -> None:
    """Create the topics of the pipeline where they are missing, one per signal and the dead letters; wait for them."""
    admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
    dead = NewTopic(DEAD, 1, 1, config={"cleanup.policy": "compact"})
    there = admin.list_topics(timeout=30).topics
    topics = [NewTopic(name, partitions, 1) for name in SIGNALS] + [dead]
    if missing := [topic for topic in topics if topic.topic not in there]:
        for done in admin.create_topics(missing).values():
            done.result()
        _wait_for_leaders(address, missing)


def _wait_for_leaders(address: str, topics: Sequence[NewTopic]) -> None:
    """A new partition refuses requests for a moment."""
    consumer = Consumer({"bootstrap.servers": address, "log_level": 0, "group.id": "prunella-topics"})
    left = [TopicPartition(topic.topic, number) for topic in topics for number in range(topic.num_partitions)]
    deadline = time.monotonic() + _LEADERS_WITHIN
    while left:
        try:
            consumer.get_watermark_offsets(left[-1], timeout=5)
            left.pop()
        except KafkaException:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    consumer.close()
