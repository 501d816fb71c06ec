"""The rows of a window by the workload they belong to: several services of one workload are judged together."""

from collections import Counter
from dataclasses import dataclass, field

from prunella_workflows.decisions.telemetry.windows import EdgeCounts, GaugeSample, ServiceCounts, Window


@dataclass(slots=True)
class Tally:
    """The rows by name: error logs by template, gauges by resource, edges by caller and callee."""

    services: dict[str, ServiceCounts] = field(default_factory=dict)
    logs: dict[str, dict[str, int]] = field(default_factory=dict)
    gauges: dict[str, dict[str, list[GaugeSample]]] = field(default_factory=dict)
    edges: dict[tuple[str, str], EdgeCounts] = field(default_factory=dict)

    @classmethod
    def of(cls, window: Window) -> "Tally":
        """Sort the rows of a window."""
        tally = cls()
        for counts in window.services:
            name = str(counts.ref)
            before = tally.services.get(name)
            tally.services[name] = _both(before, counts) if before else counts
        for log in window.logs:
            templates = tally.logs.setdefault(str(log.ref), {})
            templates[log.template] = templates.get(log.template, 0) + log.records
        for sample in window.gauges:
            tally.gauges.setdefault(str(sample.ref), {}).setdefault(sample.resource, []).append(sample)
        for edge in window.edges:
            key = (str(edge.caller), str(edge.callee))
            known = tally.edges.get(key)
            tally.edges[key] = _joined(known, edge) if known else edge
        return tally


def _both(one: ServiceCounts, other: ServiceCounts) -> ServiceCounts:
    return ServiceCounts(
        ref=one.ref,
        requests=one.requests + other.requests,
        errors=one.errors + other.errors,
        own_errors=one.own_errors + other.own_errors,
        durations=Counter(one.durations) + Counter(other.durations),
        pods=one.pods + other.pods,
        traces=one.traces + other.traces,
    )


def _joined(one: EdgeCounts, other: EdgeCounts) -> EdgeCounts:
    return EdgeCounts(
        one.caller,
        one.callee,
        one.calls + other.calls,
        one.errors + other.errors,
        one.gap_ms + other.gap_ms,
        one.lost + other.lost,
    )
