"""Judges complete windows of telemetry: `judge` is all that the pipeline calls.

Services are judged as workloads, where their telemetry names one: namespace and workload are the key of all that is
learnt. With several shards each judges the services of all, so that origins are found across shards, and reports those
of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunella_workflows.decisions.telemetry.histogram import milliseconds
from prunella_workflows.decisions.telemetry.memory import Memory
from prunella_workflows.decisions.telemetry.reporting import Reporter
from prunella_workflows.decisions.telemetry.rules import Parameters
from prunella_workflows.decisions.telemetry.services import ServiceMemory
from prunella_workflows.decisions.telemetry.stepping import step
from prunella_workflows.decisions.telemetry.windows import SECONDS, Window
from prunella_workflows.model.telemetry import Anomaly, ServiceRef
from prunella_workflows.model.telemetry_policy import DEFAULTS, TelemetryPolicy

States = Mapping[str, Any]
"""The memory of the detectors: JSON, to be stored as it is and passed to the next judgement. At first it is {}."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """The normal values of one service: None while it is still learning."""

    ref: ServiceRef
    error_share: float | None
    p95_ms: float | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The anomalies by what became of them, and the new states.

    `changed` have another severity, origin or split than when they were last reported; `ongoing` are all that are open,
    for dashboards. One that opened and ended within these windows is in `ended` only. `learnt` are the normal values
    that changed; `learning` is the number of series that are not judged yet.
    """

    states: States
    opened: tuple[Anomaly, ...] = ()
    changed: tuple[Anomaly, ...] = ()
    ended: tuple[Anomaly, ...] = ()
    ongoing: tuple[Anomaly, ...] = ()
    learnt: tuple[Baseline, ...] = ()
    learning: int = 0


def judge(windows: Sequence[Window], states: States, parameters: TelemetryPolicy = DEFAULTS) -> Judgement:
    """Judge complete windows in the order of time. Windows up to the last one judged are skipped.

    Unset fields of `parameters` have their built-in values. The answer depends on nothing else.
    """
    memory, rules = Memory.of(states), Parameters.of(parameters)
    before = {name: _normal(each) for name, each in memory.services.items()}
    reporter = Reporter(memory, rules)
    for window in windows:
        time = int(window.start.timestamp())
        if time >= memory.read_to:
            step(memory, window, time, rules)
            memory.read_to = time + SECONDS
            reporter.report(time)
    memory.forget(memory.read_to)
    return Judgement(
        states=memory.states(),
        opened=tuple(reporter.opened.values()),
        changed=tuple(reporter.changed.values()),
        ended=tuple(reporter.ended),
        ongoing=reporter.ongoing(),
        learnt=tuple(_baseline(each) for name, each in memory.services.items() if before.get(name) != _normal(each)),
        learning=sum(_learning(memory)),
    )


def _normal(service: ServiceMemory) -> tuple[float, int | None]:
    """The share of errors and the bucket of the 95th percentile that are normal for it."""
    return service.errors.share, service.latency.bucket


def _baseline(service: ServiceMemory) -> Baseline:
    bucket = service.latency.bucket
    p95_ms = None if bucket is None else round(milliseconds(bucket), 3)
    return Baseline(service.ref, service.errors.share or None, p95_ms)


def _learning(memory: Memory) -> list[int]:
    return [
        (not each.errors.share) + (not each.latency.shares.share)
        for each in memory.services.values()
        if each.errors.share or each.errors.windows
    ]
