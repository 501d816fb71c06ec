"""Saturation: what a workload's containers use, as a share of their bounds. Facts only, without a root cause.

CPU is the mean over the ready pods, which share the work; memory is that of the fullest pod, which is killed.
Of several containers the most saturated counts.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Literal

from prunella_workflows.model.base import Value
from prunella_workflows.model.evidence import ContainerUsage, Evidence, Usage
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.workload import ContainerView, PodView, WorkloadView

Resource = Literal["cpu", "memory"]

HIGH: dict[Resource, float] = {"cpu": 0.8, "memory": 0.9}
"""The share from which saturation is high. At 80 % of its CPU a service has no room left for a peak within the averaged
minute, and autoscalers target no more. Memory does not peak and fall like CPU, and many services run well with most of
it in use, so only the last tenth before the OOM kill counts."""

_RESOURCES: dict[IncidentType, Resource] = {IncidentType.HIGH_CPU: "cpu", IncidentType.HIGH_MEMORY: "memory"}
NAMES: dict[Resource, str] = {"cpu": "CPU", "memory": "memory"}
_MAX_USAGE_AGE = timedelta(minutes=3)


class Load(Value):
    """The `share` of its bound that one container uses. Of the `ready` pods, `measured` were measured fully."""

    resource: Resource
    container: str
    share: float
    measured: int
    ready: int

    @property
    def high(self) -> bool:
        """Report whether the container is saturated."""
        return self.share >= HIGH[self.resource]

    @property
    def fully_measured(self) -> bool:
        """Report whether every ready pod was measured: only then a low share is good news."""
        return self.measured == self.ready

    def __str__(self) -> str:
        which = "on average" if self.resource == "cpu" else "in the fullest pod"
        return (
            f"container {self.container} uses {self.share:.1%} of its {NAMES[self.resource]} {which} "
            f"({self.measured} of {self.ready} ready pods measured, {HIGH[self.resource]:.0%} counts as high)"
        )


def saturated_resource(incident: IncidentType) -> Resource | None:
    """The resource that an incident of this type is about."""
    return _RESOURCES.get(incident)


def has_bound(resource: Resource, container: ContainerView) -> bool:
    """Report whether the template bounds how much of a resource a container may use."""
    return _bound(resource, container) is not None


def measure_evidence(resource: Resource, evidence: Evidence) -> Load | None:
    """The load of this evidence's workload, limited to the container that the incident names, if any."""
    name = evidence.incident.container_name or ""
    return measure(resource, evidence.workload, evidence.pods, evidence.usage, evidence.read_at, container=name)


def measure(
    resource: Resource,
    workload: WorkloadView,
    pods: Iterable[PodView],
    usage: Usage | None,
    now: datetime,
    *,
    container: str = "",
) -> Load | None:
    """The load of the most saturated container; None without enough recent measurements."""
    if usage is None or now - usage.at > _MAX_USAGE_AGE:
        return None
    ready = [pod for pod in pods if pod.live and pod.ready]
    views = [view for view in workload.containers if has_bound(resource, view) and container in ("", view.name)]
    measured = {view.name: list(_shares(resource, view, ready, usage)) for view in views}
    shares = {view.name: measured[view.name] for view in views if measured[view.name] or not view.init}
    enough = {name: found for name, found in shares.items() if found and 2 * len(found) >= len(ready)}
    if not enough:
        return None
    worst = max(enough, key=lambda name: _share(resource, enough[name]))
    return Load(
        resource=resource,
        container=worst,
        share=_share(resource, enough[worst]),
        measured=min(map(len, shares.values())),
        ready=len(ready),
    )


def _share(resource: Resource, shares: list[float]) -> float:
    """Round to a hundredth of a percent: measurements are no finer, and sums of fractions are inexact."""
    return round(sum(shares) / len(shares) if resource == "cpu" else max(shares), 4)


def _shares(resource: Resource, container: ContainerView, ready: list[PodView], usage: Usage) -> Iterator[float]:
    """The shares that this container uses in the pods in which it was measured."""
    measured = {entry.pod: entry for entry in usage.containers if entry.container == container.name}
    for pod in ready:
        bound = _bound(resource, container, pod)
        used = _amount(resource, measured[pod.name]) if pod.name in measured else None
        if bound and used is not None:
            yield used / bound


def _amount(resource: Resource, usage: ContainerUsage) -> float | None:
    return usage.cpu_cores if resource == "cpu" else usage.memory_bytes


def _bound(resource: Resource, container: ContainerView, pod: PodView | None = None) -> float | None:
    """A container's bound: its CPU limit, else its request; its memory limit, the pod's own first."""
    if resource == "cpu":
        return container.cpu_limit or container.cpu_request
    own = pod.memory_limits.get(container.name) if pod is not None else None
    return own or container.memory_limit
