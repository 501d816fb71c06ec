"""Counts one window into the memory of all detectors."""

from prunella_workflows.decisions.telemetry.graph import EdgeMemory
from prunella_workflows.decisions.telemetry.memory import Memory
from prunella_workflows.decisions.telemetry.rules import Parameters
from prunella_workflows.decisions.telemetry.services import ServiceMemory
from prunella_workflows.decisions.telemetry.tally import Tally
from prunella_workflows.decisions.telemetry.windows import Window
from prunella_workflows.model.telemetry import AnomalyKind

_EDGES = 50_000  # that are remembered, at most
_STORM = 0.5  # of the services, which do not lose their traffic at once: their telemetry is away


def step(memory: Memory, window: Window, time: int, rules: Parameters) -> None:
    """Count a window. A signal without any row in it is a gap, and says nothing about any service."""
    tally = Tally.of(window)
    for counts in tally.services.values():
        memory.service(counts.ref).step(time, counts, rules)
    for sample in window.gauges:
        memory.service(sample.ref).last = time
    for name, resources in tally.gauges.items():
        for resource, samples in resources.items():
            memory.services[name].step_gauge(time, resource, samples, rules)
    if window.logs:
        _step_logs(memory, window, tally, time, rules)
    if window.services:
        _step_traffic(memory, tally, time, rules)
        _step_edges(memory, tally, time)


def _step_logs(memory: Memory, window: Window, tally: Tally, time: int, rules: Parameters) -> None:
    """Count error logs; a service that sent anything else and no logs has none."""
    for log in window.logs:
        memory.service(log.ref).last = time
    for name in {**tally.services, **tally.gauges, **tally.logs}:
        memory.services[name].step_logs(time, tally.logs.get(name, {}), rules)


def _step_traffic(memory: Memory, tally: Tally, time: int, rules: Parameters) -> None:
    """Count requests, also of services without any; not if most are silent at once."""
    low: list[ServiceMemory] = []
    for name, each in memory.services.items():
        counts = tally.services.get(name)
        requests = counts.requests if counts else 0
        if each.traffic.step(time, requests, rules.traffic_drop, rules.minimum_requests):
            low.append(each)
    if len(low) == 1 or len(low) < _STORM * len(memory.services):
        for each in low:
            each.traffic.alarmed = 1
            each.reported.setdefault(AnomalyKind.TRAFFIC, [])


def _step_edges(memory: Memory, tally: Tally, time: int) -> None:
    """Count calls, also of edges without any."""
    for key, edge in tally.edges.items():
        for ref in (edge.caller, edge.callee):
            memory.service(ref).last = time
        if key not in memory.edges and len(memory.edges) < _EDGES:
            memory.edges[key] = EdgeMemory()
    disturbed = {name for name, each in memory.services.items() if each.is_disturbed}
    for (caller, callee), each in memory.edges.items():
        counts = tally.services.get(caller)
        learns = caller not in disturbed and callee not in disturbed
        each.step(tally.edges.get((caller, callee)), counts.requests if counts else 0, learns)
