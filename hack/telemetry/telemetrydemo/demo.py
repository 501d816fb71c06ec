"""The demo without a cluster: all parts, healthy telemetry to learn from, a fault, and the alert that follows."""

import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from localcluster.ports import free_ports
from otlpload.faults import Fault, FaultKind
from otlpload.generator import Generator
from otlpload.shop import Shop
from walkthrough.console import Narrator
from walkthrough.demo import interruptible

from prunella_operator.config.settings import Settings
from prunella_workflows.model.telemetry import Anomaly, SplitKind
from telemetrydemo import findings
from telemetrydemo.load import LiveLoad
from telemetrydemo.processes import Temporal, Worker
from telemetrydemo.steps import Options, Parts, start_parts, teach, wait_for

_ALERT_SECONDS = 180.0
_PART_SECONDS = 60.0


def run_demo(options: Options, narrator: Narrator) -> int:
    """Run all steps; 0 when the alert was raised."""
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    narrator.print(f"Logs are in {options.state}")
    with interruptible(), ExitStack() as stack:
        parts = start_parts(options, narrator, stack)
        settings = _start_pipeline(parts, options, narrator, stack)
        load = teach(Generator(Shop(), options.rate), parts, narrator, stack)
        raised = _break_and_wait(load, settings, options.fault, narrator)
        if not options.once:
            _explore(load, settings, narrator)
    return 0 if raised else 1


def _start_pipeline(parts: Parts, options: Options, narrator: Narrator, stack: ExitStack) -> Settings:
    """Start Temporal and the worker; the settings that reach all of it."""
    http, temporal, page = free_ports(3)
    settings = Settings(
        telemetry_kafka=(parts.broker,),
        telemetry_database_url_file=str(parts.database_url_file),
        temporal_address=f"127.0.0.1:{temporal}",
        temporal_port=temporal,
        temporal_ui_port=page,
        http_port=http,
        log_format="text",
    )
    with narrator.step("Start Temporal"):
        stack.enter_context(Temporal(settings, options.state / "temporal.log"))
    with narrator.step("Start the pipeline: prunella telemetry worker"):
        stack.enter_context(Worker(settings, options.state / "worker.log"))
    return settings


def _break_and_wait(load: LiveLoad, settings: Settings, fault: Fault, narrator: Narrator) -> bool:
    """Break the service; whether an alert about it was raised in time."""
    found: list[findings.Finding] = []

    def find(*, clear: bool = False) -> bool:
        nonlocal found
        found = findings.read(settings)
        mine = [one.anomaly for one in found if one.alert and one.anomaly.subject.service == fault.service]
        return any(_is_clear(anomaly, fault) or not clear for anomaly in mine)

    load.break_down(fault)
    began = time.monotonic()
    with narrator.step(f"Break {fault.service}: {fault.kind} in {fault.part}; wait for the alert"):
        raised = wait_for(find, _ALERT_SECONDS, load.check)
    seconds = time.monotonic() - began
    if raised:
        narrator.print(f"The alert was raised {seconds:.0f} s after the fault.", "bold green")
        with narrator.step("Wait until it is clear which part is bad, and how bad it is"):
            wait_for(lambda: find(clear=True), _PART_SECONDS, load.check)
    else:
        narrator.print(f"No alert within {seconds:.0f} s.", "bold red")
    narrator.out.print(findings.table(found))
    return raised


def _is_clear(anomaly: Anomaly, fault: Fault) -> bool:
    """Errors become critical with their fiftieth request, a moment after the alert."""
    return anomaly.split.kind is not SplitKind.UNKNOWN and (anomaly.critical or fault.kind is not FaultKind.ERRORS)


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
        wait_for(lambda: False, float("inf"), load.check)
