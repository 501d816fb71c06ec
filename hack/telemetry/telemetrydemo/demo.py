"""The demo without a cluster: all parts, healthy telemetry to learn from, a fault, and the alert that follows."""

import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from localcluster.ports import free_ports
from otlpload.faults import Fault
from otlpload.generator import Generator
from otlpload.sender import Sender
from otlpload.shop import Shop
from telemetrystack.collector import to_kafka
from telemetrystack.kafka import Broker
from telemetrystack.postgresql import PostgreSQL
from walkthrough.console import Narrator
from walkthrough.demo import interruptible

from prunella_operator.config.settings import Settings
from prunella_workflows.model.telemetry import SplitKind
from prunella_workflows.model.telemetry_policy import DEFAULTS
from telemetrydemo import findings
from telemetrydemo.load import LiveLoad, now
from telemetrydemo.processes import Temporal, Worker

_SPEED = 40.0
"""Seconds of history that are sent in a second."""
_SETTLE_SECONDS = 20
"""Between the history and the fault."""
_ALERT_SECONDS = 180.0
_PART_SECONDS = 60.0


@dataclass(frozen=True)
class Options:
    """The command line's."""

    fault: Fault
    rate: float
    once: bool
    state: Path


def run_demo(options: Options, narrator: Narrator) -> int:
    """Run all steps; 0 when the alert was raised."""
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    narrator.print(f"Logs are in {options.state}")
    with interruptible(), ExitStack() as stack:
        settings, address = _start_parts(options, narrator, stack)
        load = LiveLoad(Generator(Shop(), options.rate), Sender(address), now() - int(DEFAULTS.learn or 0) - 60)
        stack.callback(load.stop)
        _teach(load, narrator)
        raised = _break_and_wait(load, settings, options.fault, narrator)
        if not options.once:
            _explore(load, settings, narrator)
    return 0 if raised else 1


def _start_parts(options: Options, narrator: Narrator, stack: ExitStack) -> tuple[Settings, str]:
    """Start everything; the settings that reach it, and the address that takes OTLP."""
    with narrator.step("Start Kafka (its jars are fetched the first time)"):
        broker = stack.enter_context(Broker(options.state / "kafka.log"))
        broker.create_topics()
    with narrator.step("Start the Collector (built the first time, about two minutes)"):
        collector = stack.enter_context(to_kafka(broker.address, options.state / "collector.log"))
    with narrator.step("Start PostgreSQL"):
        database = stack.enter_context(PostgreSQL(options.state / "postgresql.log"))
    settings = _settings(options.state, broker.address, database.dsn)
    with narrator.step("Start Temporal"):
        stack.enter_context(Temporal(settings, options.state / "temporal.log"))
    with narrator.step("Start the pipeline: prunella telemetry worker"):
        stack.enter_context(Worker(settings, options.state / "worker.log"))
    return settings, collector.address


def _settings(state: Path, brokers: str, dsn: str) -> Settings:
    (url := state / "database-url").write_text(dsn)
    http, temporal, page = free_ports(3)
    return Settings(
        telemetry_kafka=(brokers,),
        telemetry_database_url_file=str(url),
        temporal_address=f"127.0.0.1:{temporal}",
        temporal_port=temporal,
        temporal_ui_port=page,
        http_port=http,
        log_format="text",
    )


def _teach(load: LiveLoad, narrator: Narrator) -> None:
    """Send what detectors have to learn from, faster than time, and then live telemetry."""
    minutes = int(DEFAULTS.learn or 0) // 60 + 1
    with narrator.step(f"Send {minutes} minutes of healthy telemetry to learn from, {_SPEED:.0f} times as fast"):
        load.catch_up(now(), _SPEED)
    load.start()
    with narrator.step(f"Send live telemetry for {_SETTLE_SECONDS} s"):
        _wait(lambda: False, _SETTLE_SECONDS, load)


def _break_and_wait(load: LiveLoad, settings: Settings, fault: Fault, narrator: Narrator) -> bool:
    """Break the service; whether an alert about it was raised in time."""
    found: list[findings.Finding] = []

    def find(*, with_part: bool = False) -> bool:
        nonlocal found
        found = findings.read(settings)
        mine = [one for one in found if one.alert and one.anomaly.subject.service == fault.service]
        return any(one.anomaly.split.kind is not SplitKind.UNKNOWN or not with_part for one in mine)

    load.break_down(fault)
    began = time.monotonic()
    with narrator.step(f"Break {fault.service}: {fault.kind} in {fault.part}; wait for the alert"):
        raised = _wait(find, _ALERT_SECONDS, load)
    seconds = time.monotonic() - began
    if raised:
        narrator.print(f"The alert was raised {seconds:.0f} s after the fault.", "bold green")
        with narrator.step("Wait until it is clear which part is bad"):
            _wait(lambda: find(with_part=True), _PART_SECONDS, load)
    else:
        narrator.print(f"No alert within {seconds:.0f} s.", "bold red")
    narrator.out.print(findings.table(found))
    return raised


def _wait(condition: Callable[[], bool], seconds: float, load: LiveLoad) -> bool:
    """Wait until it holds; False when time is up."""
    end = time.monotonic() + seconds
    while not condition():
        load.check()
        if time.monotonic() > end:
            return False
        time.sleep(0.5)
    return True


def _explore(load: LiveLoad, settings: Settings, narrator: Narrator) -> None:
    """Go on until Ctrl-C, with commands to try."""
    prunella = Path(sys.executable).parent / "prunella"
    database = f"--set telemetry_database_url_file={settings.telemetry_database_url_file}"
    narrator.print("\nEverything keeps running until you press Ctrl-C. Try in another terminal:", "bold")
    for line in (
        f"{prunella} telemetry status {database}",
        f"{prunella} telemetry top {database}",
        f"{prunella} telemetry explain FINGERPRINT {database}",
        f"curl http://127.0.0.1:{settings.http_port}/metrics",
        f"in a browser: http://127.0.0.1:{settings.temporal_ui_port} (workflows)",
    ):
        narrator.print(f"  {line}")
    with suppress(KeyboardInterrupt):
        _wait(lambda: False, float("inf"), load)
