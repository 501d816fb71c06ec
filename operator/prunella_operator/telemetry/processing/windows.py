"""Rows to the windows that detection judges."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import polars as pl

from prunella_operator.telemetry.processing.items import WINDOW_NS
from prunella_workflows.decisions.telemetry.windows import (
    EdgeCounts,
    GaugeSample,
    LogCounts,
    Pod,
    PodCounts,
    Resource,
    ServiceCounts,
    Window,
)
from prunella_workflows.model.telemetry import ServiceRef

_REF = ("service", "namespace", "kind", "workload")
_POD = ("pod_uid", "node", "template")
_CALLER = ("caller", "caller_namespace", "caller_kind", "caller_workload")
_CALLEE = ("callee", "callee_namespace", "callee_kind", "callee_workload")
_TRACES = 3
_SUMS = ("n", "errors", "own_errors")
Groups = dict[int, list[Any]]
"""Values by the start of their window, in ns."""


def build_windows(rows: Mapping[str, pl.DataFrame], since: int, until: int) -> list[Window]:
    """Build the windows from `since` on, before `until` (ns), of rows by table: red, edge, log, point, exemplar."""
    inside = {name: frame.filter(pl.col("at").is_between(since, until, closed="left")) for name, frame in rows.items()}
    services, edges = _services(inside["red"], inside["exemplar"]), _edges(inside["edge"], inside["red"])
    logs, gauges = _logs(inside["log"]), _gauges(inside["point"])
    return [
        Window(
            start=datetime.fromtimestamp(at // 1_000_000_000, UTC),
            services=tuple(services[at]),
            edges=tuple(edges[at]),
            logs=tuple(logs[at]),
            gauges=tuple(gauges[at]),
        )
        for at in range(since, until, WINDOW_NS)
    ]


def _services(red: pl.DataFrame, exemplars: pl.DataFrame) -> Groups:
    pods, traces, found = _pods(red), _traces(exemplars), defaultdict[int, list[Any]](list)
    for (at, *ref), counts in pods.items():
        durations: dict[int, int] = defaultdict(int)
        for _, pod in counts:
            for bucket, count in pod.durations.items():
                durations[bucket] += count
        service = ServiceCounts(
            ref=_ref(ref),
            requests=sum(pod.requests for _, pod in counts),
            errors=sum(pod.errors for _, pod in counts),
            own_errors=max(0, sum(own for own, _ in counts)),
            durations=durations,
            pods=tuple(pod for _, pod in counts if pod.requests),
            traces=traces.get((at, *ref), ()),
        )
        found[at].append(service)
    return found


def _pods(red: pl.DataFrame) -> dict[tuple[Any, ...], list[tuple[int, PodCounts]]]:
    """Own errors and counts of the pods of each window and service."""
    keys = ("at", *_REF, *_POD)
    sums = red.group_by(keys).agg(pl.col(*_SUMS).sum())
    buckets = red.select(*keys, "buckets", "counts").explode("buckets", "counts", empty_as_null=False)
    histograms = buckets.group_by(*keys, "buckets").agg(pl.col("counts").sum()).group_by(keys).agg("buckets", "counts")
    found = defaultdict[tuple[Any, ...], list[tuple[int, PodCounts]]](list)
    for row in sums.join(histograms, on=keys, how="left").sort(keys).iter_rows(named=True):
        durations = dict(zip(row["buckets"] or (), row["counts"] or (), strict=True))
        counts = PodCounts(_pod(row), requests=row["n"], errors=row["errors"], durations=durations)
        found[row["at"], *(row[name] for name in _REF)].append((row["own_errors"], counts))
    return found


def _traces(exemplars: pl.DataFrame) -> dict[tuple[Any, ...], tuple[str, ...]]:
    best = exemplars.sort("failed", "ms", descending=True).group_by("at", *_REF, maintain_order=True)
    return {tuple(row[:-1]): tuple(row[-1]) for row in best.agg(pl.col("trace_id").head(_TRACES)).iter_rows()}


def _edges(edges: pl.DataFrame, red: pl.DataFrame) -> Groups:
    known = {row[0]: ServiceRef(**dict(zip(_REF, row, strict=True))) for row in red.select(_REF).unique().iter_rows()}
    known = {ref.workload: ref for ref in known.values() if ref.workload} | known
    keys, found = ("at", *_CALLER, *_CALLEE), defaultdict[int, list[Any]](list)
    for row in edges.group_by(keys).agg(pl.col("n", "errors", "gap_ms", "lost").sum()).sort(keys).iter_rows(named=True):
        callee = _ref([row[name] for name in _CALLEE])
        counts = EdgeCounts(
            caller=_ref([row[name] for name in _CALLER]),
            callee=callee if callee.workload else known.get(callee.service, callee),
            calls=row["n"],
            errors=row["errors"],
            gap_ms=row["gap_ms"],
            lost=row["lost"],
        )
        found[row["at"]].append(counts)
    return found


def _logs(logs: pl.DataFrame) -> Groups:
    keys, found = ("at", *_REF, "pattern"), defaultdict[int, list[Any]](list)
    errors = logs.filter(pl.col("severity").is_in(["ERROR", "FATAL"]))
    for row in errors.group_by(keys).agg(pl.col("n").sum()).sort(keys).iter_rows(named=True):
        found[row["at"]].append(LogCounts(_ref([row[name] for name in _REF]), row["pattern"], row["n"]))
    return found


def _gauges(points: pl.DataFrame) -> Groups:
    keys, found = ("at", *_REF, *_POD, "metric"), defaultdict[int, list[Any]](list)
    sums = points.group_by(keys).agg(pl.col("n", "total").sum()).sort(keys)
    for row in sums.iter_rows(named=True):
        for resource in _resources(row["metric"]):
            ref = _ref([row[name] for name in _REF])
            found[row["at"]].append(GaugeSample(ref, _pod(row), resource, row["total"] / row["n"]))
    return found


def _resources(metric: str) -> Iterator[Resource]:
    """Pods by the kubelet's metrics: k8s.pod.cpu_limit_utilization and k8s.pod.memory_limit_utilization."""
    return (resource for resource in Resource if metric == f"k8s.pod.{resource}_limit_utilization")


def _ref(names: list[str]) -> ServiceRef:
    return ServiceRef(**dict(zip(_REF, names, strict=True)))


def _pod(row: Mapping[str, Any]) -> Pod:
    return Pod(row["pod_uid"], row["node"], row["template"])
