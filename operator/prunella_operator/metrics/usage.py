"""Current resource usage of a workload's pods, and memory growth of containers: from Prometheus or metrics-server."""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta

from prunella_operator import clock
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.metrics import metrics_server
from prunella_operator.metrics.port import Found, MetricsSource
from prunella_operator.metrics.prometheus import STALE_AFTER
from prunella_workflows.model import promql
from prunella_workflows.model.evidence import ContainerUsage, Usage
from prunella_workflows.model.measurement import NoData, Reading, Series, Why
from prunella_workflows.model.workload import PodView, WorkloadRef

SOURCE = "Prometheus"

_CPU, _MEMORY = "container_cpu_usage_seconds_total", "container_memory_working_set_bytes"
_OOM_KILLS = "container_oom_events_total"
_PODS = 'namespace="$namespace",pod=~"$pods"'
# Raw samples have their own times, and distinguish a restarted container from its predecessor.
_CURRENT = f'{{__name__=~"{_CPU}|{_MEMORY}|{_OOM_KILLS}",{_PODS},container!~"|POD",cpu=~"|total"}}[2m]'
_GROWTH = f'max by (namespace, pod, container, id) (max_over_time({_MEMORY}{{{_PODS},container!~"|POD"}}[1m]))'
_GROWTH_STEP_SECONDS = 30.0
_GROWTH_RANGE = timedelta(hours=1)

Key = tuple[str, str, str]  # metric, pod, container


class UsageReader:
    """Queries the sources in order. Nothing raises: missing measurements are `NoData`."""

    def __init__(self, kube: SyncClient, source: MetricsSource) -> None:
        self._kube = kube
        self._source = source

    def now(self, workload: WorkloadRef, pods: Sequence[PodView]) -> Usage | NoData:
        """The current usage of these pods."""
        names = [pod.name for pod in pods]
        if not names:
            return NoData(why=Why.EMPTY, message="there are no pods to measure")
        first = self._query_prometheus(workload, names)
        if isinstance(first, Usage):
            return first
        second = metrics_server.usage(self._kube, workload.namespace, names)
        if isinstance(second, Usage):
            return second
        why = second.why if first.why is Why.NOT_CONFIGURED else first.why
        return NoData(why=why, message=f"{first}; {second}")

    def growth(self, workload: WorkloadRef, pods: Sequence[PodView]) -> Found:
        """The working sets of the pods' containers over the last hour, one series per container run if ids are kept."""
        query = promql.fill(_GROWTH, _values(workload, [pod.name for pod in pods]))
        end = clock.now()
        return self._source.series(query, end - _GROWTH_RANGE, end, _GROWTH_STEP_SECONDS)

    def _query_prometheus(self, workload: WorkloadRef, pods: list[str]) -> Usage | NoData:
        found = self._source.vector(promql.fill(_CURRENT, _values(workload, pods)))
        if isinstance(found, NoData):
            return found
        newest = _newest(series for series in found if series.labels.get("__name__") != _OOM_KILLS)
        containers = tuple(_containers(newest, _oom_kills(found)))
        at = min((series.last.at for series in newest.values()), default=clock.now())
        if not containers or clock.now() - at > STALE_AFTER:
            return NoData(why=Why.STALE, message="Prometheus has no fresh measurement of these pods")
        return Usage(source=SOURCE, at=at, containers=containers)


def _values(workload: WorkloadRef, pods: list[str]) -> promql.Values:
    return promql.Values(workload.namespace, workload.name, workload.kind, pods)


def _newest(found: Iterable[Series]) -> dict[Key, Series]:
    """The latest series of each container; those of its earlier runs remain for a while."""
    newest: dict[Key, Series] = {}
    for series in found:
        key = (series.labels.get("__name__", ""), series.labels.get("pod", ""), series.labels.get("container", ""))
        if key not in newest or series.last.at > newest[key].last.at:
            newest[key] = series
    return newest


def _oom_kills(found: Sequence[Series]) -> dict[tuple[str, str], int]:
    """The OOM kills of each container, by pod and name, in all of its runs that still have a fresh reading."""
    kills: dict[tuple[str, str], int] = defaultdict(int)
    for series in found:
        if series.labels.get("__name__") == _OOM_KILLS and math.isfinite(series.last.value):
            kills[series.labels.get("pod", ""), series.labels.get("container", "")] += int(series.last.value)
    return kills


def _containers(newest: dict[Key, Series], kills: Mapping[tuple[str, str], int]) -> Iterator[ContainerUsage]:
    for pod, container in dict.fromkeys(key[1:] for key in newest):
        cpu, memory = (newest.get((metric, pod, container)) for metric in (_CPU, _MEMORY))
        cores, size = _rate(cpu), _size(memory)
        if cores is not None or size is not None:
            oom = kills.get((pod, container), 0)
            yield ContainerUsage(pod=pod, container=container, cpu_cores=cores, memory_bytes=size, oom_kills=oom)


def _size(memory: Series | None) -> int | None:
    return int(memory.last.value) if memory is not None and math.isfinite(memory.last.value) else None


def _rate(counter: Series | None) -> float | None:
    """CPU seconds per second since the counter was last reset; None for a single reading."""
    if counter is None:
        return None
    run: list[Reading] = []
    for reading in counter.readings:
        run = [*run, reading] if run and reading.value >= run[-1].value else [reading]
    seconds = (run[-1].at - run[0].at).total_seconds()
    rate = (run[-1].value - run[0].value) / seconds if seconds else math.nan
    return rate if math.isfinite(rate) else None
