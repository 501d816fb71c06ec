"""The memory of one service: its series, its pods since the onset of an anomaly, and what was reported of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prunella_workflows.decisions.telemetry.gauges import GaugeSeries
from prunella_workflows.decisions.telemetry.graph import OwnErrors
from prunella_workflows.decisions.telemetry.histogram import above
from prunella_workflows.decisions.telemetry.latencies import LatencySeries
from prunella_workflows.decisions.telemetry.logs import LogSeries
from prunella_workflows.decisions.telemetry.rules import Parameters
from prunella_workflows.decisions.telemetry.shares import ShareSeries
from prunella_workflows.decisions.telemetry.split import PodShare
from prunella_workflows.decisions.telemetry.traffic import TrafficSeries
from prunella_workflows.decisions.telemetry.windows import GaugeSample, Pod, PodCounts, ServiceCounts
from prunella_workflows.model.telemetry import AnomalyKind, ServiceRef

_PODS, _TEMPLATES, _LOGS, _TRACES = 200, 20, 30, 3  # that are remembered, at most
_DISTURBED = 5.0  # the level from which the calls of a service are not learnt

Pods = dict[Pod, list[int]]
"""Requests of each pod, and bad ones."""


@dataclass(slots=True)
class ServiceMemory:
    """All that is learnt of one service. JSON has it as a list: add new parts at the end only.

    `reported` has the facts of open anomalies, by kind, as they were last reported.
    """

    ref: ServiceRef
    last: int = 0
    errors: ShareSeries = field(default_factory=ShareSeries)
    latency: LatencySeries = field(default_factory=LatencySeries)
    traffic: TrafficSeries = field(default_factory=TrafficSeries)
    own: OwnErrors = field(default_factory=OwnErrors)
    logs: dict[str, LogSeries] = field(default_factory=dict)
    log_windows: int = 0
    gauges: dict[str, GaugeSeries] = field(default_factory=dict)
    templates: dict[str, int] = field(default_factory=dict)
    """The time at which each template was first seen."""
    error_pods: Pods = field(default_factory=dict)
    slow_pods: Pods = field(default_factory=dict)
    traces: tuple[str, ...] = ()
    reported: dict[str, list[Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, row: list[Any]) -> "ServiceMemory":
        """Read a row; parts that a later version added are ignored."""
        ref, last, errors, latency, traffic, own, logs, log_windows, gauges, templates, *rest = row
        error_pods, slow_pods, traces, reported = rest[:4]
        return cls(
            ServiceRef.model_construct(service=ref[0], namespace=ref[1], kind=ref[2], workload=ref[3]),
            last,
            ShareSeries.of(errors),
            LatencySeries.of(latency),
            TrafficSeries.of(traffic),
            OwnErrors(*own),
            {name: LogSeries.of(each) for name, each in logs.items()},
            log_windows,
            {name: GaugeSeries.of(each) for name, each in gauges.items()},
            dict(templates),
            {Pod(*pod): list(counts) for pod, counts in error_pods},
            {Pod(*pod): list(counts) for pod, counts in slow_pods},
            tuple(traces),
            dict(reported),
        )

    def row(self) -> list[Any]:
        """The inverse of `of`."""
        ref = self.ref
        return [
            [ref.service, ref.namespace, ref.kind, ref.workload],
            self.last,
            self.errors.row(),
            self.latency.row(),
            self.traffic.row(),
            [self.own.normal, self.own.recent],
            {name: each.row() for name, each in self.logs.items()},
            self.log_windows,
            {name: each.row() for name, each in self.gauges.items()},
            self.templates,
            list(self.error_pods.items()),
            list(self.slow_pods.items()),
            self.traces,
            self.reported,
        ]

    def step(self, time: int, counts: ServiceCounts, rules: Parameters) -> None:
        """Count a window of requests; open anomalies of errors and latency."""
        self.last = time
        self._note_templates(time, counts.pods)
        self.own.step(counts.requests, counts.own_errors, counts.errors, learns=not self.is_disturbed)
        if not counts.requests:
            return
        if self.errors.step(time, counts.requests, counts.errors, rules.errors):
            self._open(AnomalyKind.ERROR_RATE, self.errors, counts)
        if self.errors.is_due(rules.errors.learn):
            self.errors.learn_block()
        if self.latency.step(time, counts.requests, counts.durations, rules.latency, rules.latency_factor):
            self._open(AnomalyKind.LATENCY, self.latency.shares, counts)
        self._note_pods(counts)

    def step_logs(self, time: int, counts: Mapping[str, int], rules: Parameters) -> None:
        """Count the error logs of a window, by template; open an anomaly if one is unusual."""
        for template in counts:
            if template not in self.logs and len(self.logs) < _LOGS:
                known = 0.0 if self.log_windows >= rules.errors.learn else -1.0
                self.logs[template] = LogSeries(rate=known)
        self.log_windows += 1
        for template, series in self.logs.items():
            if series.step(time, counts.get(template, 0), rules.errors):
                series.open()
                self.reported.setdefault(AnomalyKind.LOGS, [])

    def step_gauge(self, time: int, resource: str, samples: list[GaugeSample], rules: Parameters) -> None:
        """Count the use of a resource: that of the pod which uses most."""
        series = self.gauges.setdefault(resource, GaugeSeries())
        value = max(sample.share for sample in samples)
        if series.step(time, value, rules.saturation, rules.errors.learn * 10 // 60):
            series.alarmed = 1
            self.reported.setdefault(AnomalyKind.SATURATION, [])

    @property
    def is_disturbed(self) -> bool:
        """Report whether an anomaly is open or may come: nothing is learnt of its calls then."""
        errors, slow = self.errors, self.latency.shares
        return bool(errors.alarmed or slow.alarmed or errors.level > _DISTURBED or slow.level > _DISTURBED)

    def pods(self, kind: AnomalyKind) -> list[PodShare]:
        """The pods of an anomaly since its onset."""
        pods = self.error_pods if kind is AnomalyKind.ERROR_RATE else self.slow_pods
        return [PodShare(pod, total, bad) for pod, (total, bad) in pods.items()]

    def _open(self, kind: AnomalyKind, series: ShareSeries, counts: ServiceCounts) -> None:
        series.open()
        self.reported.setdefault(kind, [])
        self.traces = counts.traces[:_TRACES]

    def _note_templates(self, time: int, pods: tuple[PodCounts, ...]) -> None:
        for each in pods:
            template = each.pod.template
            if template and template not in self.templates:
                self.templates[template] = time
                if len(self.templates) > _TEMPLATES:
                    del self.templates[min(self.templates, key=self.templates.__getitem__)]

    def _note_pods(self, counts: ServiceCounts) -> None:
        """Add the pods' requests to those of the runs, or forget them when a run is over."""
        bucket = self.latency.bucket
        if not self.errors.run_total:
            self.error_pods.clear()
        else:
            for pod in counts.pods:
                _add(self.error_pods, pod, pod.errors)
        if not self.latency.shares.run_total or bucket is None:
            self.slow_pods.clear()
        else:
            for pod in counts.pods:
                _add(self.slow_pods, pod, above(pod.durations, bucket))


def _add(pods: Pods, counts: PodCounts, bad: int) -> None:
    if counts.pod not in pods and len(pods) >= _PODS:
        return
    sums = pods.setdefault(counts.pod, [0, 0])
    sums[0] += counts.requests
    sums[1] += bad
