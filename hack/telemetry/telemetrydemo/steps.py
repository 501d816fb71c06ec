"""Steps that the demos share: the parts around the pipeline, and the telemetry to learn from."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from otlpload.faults import Fault
from otlpload.generator import Generator
from otlpload.sender import Sender
from telemetrystack.collector import to_kafka
from telemetrystack.kafka import Broker
from telemetrystack.postgresql import PostgreSQL
from walkthrough.console import Narrator

from prunella_workflows.model.telemetry_policy import DEFAULTS
from telemetrydemo.load import LiveLoad, now

_SPEED = 20.0
"""Seconds of history that are sent in a second. A batch of more than five minutes is not learnt from as a whole."""

_SETTLE_SECONDS = 20
"""Between the history and the fault."""
_LEARN_SECONDS = int(DEFAULTS.learn or 0) + 180


@dataclass(frozen=True)
class Options:
    """The command line's. `cluster` is the name of a cluster, "" for none; `context` is one of your kubeconfig."""

    fault: Fault
    rate: float
    once: bool
    state: Path
    cluster: str = ""
    context: str | None = None


@dataclass(frozen=True)
class Parts:
    """The addresses of what runs: Kafka's broker, the Collector's port for OTLP, and a file with the database's URL."""

    broker: str
    collector: str
    database_url_file: Path


def start_parts(options: Options, narrator: Narrator, stack: ExitStack) -> Parts:
    """Start Kafka, the Collector and PostgreSQL."""
    with narrator.step("Start Kafka (its jars are fetched the first time)"):
        broker = stack.enter_context(Broker(options.state / "kafka.log"))
        broker.create_topics()
    with narrator.step("Start the Collector (built the first time, about two minutes)"):
        collector = stack.enter_context(to_kafka(broker.address, options.state / "collector.log"))
    with narrator.step("Start PostgreSQL"):
        database = stack.enter_context(PostgreSQL(options.state / "postgresql.log"))
    (url := options.state / "database-url").write_text(database.dsn)
    return Parts(broker.address, collector.address, url)


def teach(
    generator: Generator,
    parts: Parts,
    narrator: Narrator,
    stack: ExitStack,
    refresh: Callable[[], None] = lambda: None,
) -> LiveLoad:
    """Send what detectors have to learn from, faster than time, and then live telemetry."""
    load = LiveLoad(generator, Sender(parts.collector), now() - _LEARN_SECONDS, refresh)
    stack.callback(load.stop)
    with narrator.step(f"Send {_LEARN_SECONDS // 60} minutes of healthy telemetry, {_SPEED:.0f} times as fast"):
        load.catch_up(now(), _SPEED)
    load.start()
    with narrator.step(f"Send live telemetry for {_SETTLE_SECONDS} s"):
        wait_for(lambda: False, _SETTLE_SECONDS, load.check)
    return load


def wait_for(condition: Callable[[], bool], seconds: float, check: Callable[[], None]) -> bool:
    """Wait until it holds; False when time is up. `check` raises when waiting is in vain."""
    end = time.monotonic() + seconds
    while not condition():
        check()
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True
