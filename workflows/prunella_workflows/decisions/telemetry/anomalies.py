"""Anomalies as they are reported: the facts of an open one, and whether it is over."""

import hashlib
from datetime import UTC, datetime
from typing import Any

from prunella_workflows.decisions.telemetry.origin import Origin
from prunella_workflows.decisions.telemetry.rules import Parameters
from prunella_workflows.decisions.telemetry.services import ServiceMemory
from prunella_workflows.decisions.telemetry.split import find_split
from prunella_workflows.decisions.telemetry.windows import SECONDS
from prunella_workflows.model.telemetry import Anomaly, AnomalyKind, ServiceRef

_SILENT = 3600  # seconds without data, after which an anomaly is given up
_ACCEPTED = 86400  # seconds, after which what is unusual is the new normal and is learnt
_PODS = 20
_REQUESTS = frozenset({AnomalyKind.ERROR_RATE, AnomalyKind.LATENCY})


def fingerprint(ref: ServiceRef, kind: AnomalyKind) -> str:
    """The identity of an anomaly, by its workload and kind: a later one of the same is its repetition."""
    text = "\0".join((ref.namespace, ref.workload or ref.service, kind))
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]


def at(time: int) -> datetime:
    """A time of the detectors as a date."""
    return datetime.fromtimestamp(time, UTC)


def describe(memory: ServiceMemory, kind: AnomalyKind, origin: Origin, cause: ServiceRef | None) -> Anomaly:
    """The facts of an open anomaly; `cause` is the service of the origin."""
    facts = {
        AnomalyKind.ERROR_RATE: _errors,
        AnomalyKind.LATENCY: _latency,
        AnomalyKind.LOGS: _logs,
        AnomalyKind.SATURATION: _saturation,
        AnomalyKind.TRAFFIC: _traffic,
    }[kind](memory)
    if kind in _REQUESTS:
        facts |= _split(memory, kind) | {"origin": cause, "edges": origin.edges, "traces": memory.traces}
    return Anomaly(fingerprint=fingerprint(memory.ref, kind), kind=kind, subject=memory.ref, **facts)


def with_severity(anomaly: Anomaly, rules: Parameters) -> Anomaly:
    """Say whether it is critical; once it is, it stays so."""
    critical = anomaly.critical or _is_critical(anomaly, rules)
    return anomaly if critical == anomaly.critical else anomaly.model_copy(update={"critical": critical})


def end_of(memory: ServiceMemory, kind: AnomalyKind, time: int, rules: Parameters) -> int | None:
    """The time at which an open anomaly ended, None while it lasts.

    Without data nothing is over: an hour of it, or a day of the same, gives the anomaly up.
    """
    if time - memory.last > _SILENT:
        return memory.last + SECONDS
    if time - _since(memory, kind) > _ACCEPTED:
        return time
    quiet = _quiet(memory, kind, rules)
    return time + SECONDS - quiet * SECONDS if quiet else None


def close(memory: ServiceMemory, kind: AnomalyKind, time: int) -> None:
    """Forget an anomaly that ended at this time; what has lasted a day is learnt from now on."""
    accepted = time - _since(memory, kind) > _ACCEPTED
    match kind:
        case AnomalyKind.ERROR_RATE:
            memory.errors.close(time)
            memory.errors.share = 0.0 if accepted else memory.errors.share
        case AnomalyKind.LATENCY:
            memory.latency.close(time)
            memory.latency = type(memory.latency)() if accepted else memory.latency
        case AnomalyKind.LOGS:
            for series in memory.logs.values():
                series.close()
                series.rate = -1.0 if accepted else series.rate
        case AnomalyKind.SATURATION:
            for gauge in memory.gauges.values():
                gauge.alarmed = 0
                gauge.minutes = [] if accepted else gauge.minutes
        case AnomalyKind.TRAFFIC:
            memory.traffic.alarmed = memory.traffic.low = 0
            memory.traffic.minutes = [] if accepted else memory.traffic.minutes
    del memory.reported[kind]


def _quiet(memory: ServiceMemory, kind: AnomalyKind, rules: Parameters) -> int:
    """The quiet windows at the end of an anomaly that is over, 0 while it lasts."""
    match kind:
        case AnomalyKind.ERROR_RATE:
            return memory.errors.quiet if memory.errors.is_over(rules.errors) else 0
        case AnomalyKind.LATENCY:
            return memory.latency.shares.quiet if memory.latency.shares.is_over(rules.latency) else 0
        case AnomalyKind.LOGS:
            quiet = min(series.quiet for series in memory.logs.values() if series.alarmed)
        case AnomalyKind.SATURATION:
            quiet = min(gauge.quiet for gauge in memory.gauges.values() if gauge.alarmed)
        case AnomalyKind.TRAFFIC:
            return 0 if memory.traffic.low else rules.errors.quiet
    return quiet if quiet >= rules.errors.quiet else 0


def _since(memory: ServiceMemory, kind: AnomalyKind) -> int:
    match kind:
        case AnomalyKind.ERROR_RATE:
            return memory.errors.since
        case AnomalyKind.LATENCY:
            return memory.latency.shares.since
        case AnomalyKind.LOGS:
            return min(series.since for series in memory.logs.values() if series.alarmed)
        case AnomalyKind.SATURATION:
            return min(gauge.since for gauge in memory.gauges.values() if gauge.alarmed)
        case AnomalyKind.TRAFFIC:
            return memory.traffic.since


def _errors(memory: ServiceMemory) -> dict[str, Any]:
    series = memory.errors
    return _facts(series.since, series.run_share, series.share) | {"requests": series.run_total}


def _latency(memory: ServiceMemory) -> dict[str, Any]:
    series = memory.latency.shares
    facts = _facts(series.since, series.run_share, series.share)
    return facts | {"requests": series.run_total, "ratio": round(memory.latency.run_ratio, 2)}


def _logs(memory: ServiceMemory) -> dict[str, Any]:
    alarmed = ((each.run_rate / each.normal, name) for name, each in memory.logs.items() if each.alarmed)
    _, template = max(alarmed)
    series = memory.logs[template]
    return _facts(_since(memory, AnomalyKind.LOGS), series.run_rate, series.normal) | {"detail": template}


def _saturation(memory: ServiceMemory) -> dict[str, Any]:
    _, resource = max((each.value, name) for name, each in memory.gauges.items() if each.alarmed)
    gauge = memory.gauges[resource]
    return _facts(_since(memory, AnomalyKind.SATURATION), gauge.value, gauge.normal) | {"detail": resource}


def _traffic(memory: ServiceMemory) -> dict[str, Any]:
    series = memory.traffic
    return _facts(series.since, series.last, series.normal) | {"requests": series.last}


def _facts(since: int, share: float, baseline: float) -> dict[str, Any]:
    ratio = share / baseline if baseline else 0.0
    return {"since": at(since), "share": round(share, 4), "baseline": round(baseline, 4), "ratio": round(ratio, 2)}


def _split(memory: ServiceMemory, kind: AnomalyKind) -> dict[str, Any]:
    normal = memory.errors.share if kind is AnomalyKind.ERROR_RATE else memory.latency.shares.share
    part = find_split(memory.pods(kind), normal, memory.templates)
    return {"split": part.split, "pod_uids": part.uids[:_PODS]}


def _is_critical(anomaly: Anomaly, rules: Parameters) -> bool:
    """Report whether it is large, certain, and its origin known: only then may it open an Incident."""
    if anomaly.origin is None or anomaly.requests < rules.minimum_requests:
        return False
    if anomaly.kind is AnomalyKind.LATENCY:
        return anomaly.ratio >= rules.critical_latency
    return anomaly.share >= rules.critical_errors
