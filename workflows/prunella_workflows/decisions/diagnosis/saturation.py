"""What a workload's containers use, as a share of what they may. Facts only: no root cause is named here.

CPU counts as the mean over the ready pods, because more pods share the work; memory as the fullest pod, because that
one dies. Of several containers the one under the most pressure counts.
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
"""From which share on the pressure is high. At 80 % of its CPU a service has no room left for a peak within the minute
that is averaged, and autoscalers aim at no more. Memory does not peak and fall like CPU, and many services run well
with most of it in use, so only the last tenth before the OOM kill counts.
"""

_OF_TYPE: dict[IncidentType, Resource] = {IncidentType.HIGH_CPU: "cpu", IncidentType.HIGH_MEMORY: "memory"}
_NAMES: dict[Resource, str] = {"cpu": "CPU", "memory": "memory"}
_FRESH_FOR = timedelta(minutes=3)


class Load(Value):
    """What one container uses: `share` of its bound. Of the `ready` pods at least `measured` were measured fully."""

    resource: Resource
    container: str
    share: float
    measured: int
    ready: int

    @property
    def high(self) -> bool:
        """Whether this is pressure."""
        return self.share >= HIGH[self.resource]

    @property
    def whole(self) -> bool:
        """Whether every ready pod was measured: only then little use is good news."""
        return self.measured == self.ready

    def __str__(self) -> str:
        which = "on average" if self.resource == "cpu" else "in the fullest pod"
        return (
            f"container {self.container} uses {self.share:.1%} of its {_NAMES[self.resource]} {which} "
            f"({self.measured} of {self.ready} ready pods measured, {HIGH[self.resource]:.0%} counts as high)"
        )


def resource_of(incident: IncidentType) -> Resource | None:
    """The resource that an incident of this type is about."""
    return _OF_TYPE.get(incident)


def bounded(resource: Resource, container: ContainerView) -> bool:
    """Whether the template says how much of a resource a container may use."""
    return _bound(resource, container) is not None


def load_of(resource: Resource, evidence: Evidence) -> Load | None:
    """The load of the workload of this evidence, of the container that the incident names, if it names one."""
    wanted = evidence.incident.container_name or ""
    return measure(resource, evidence.workload, evidence.pods, evidence.usage, evidence.read_at, container=wanted)


def measure(
    resource: Resource,
    workload: WorkloadView,
    pods: Iterable[PodView],
    usage: Usage | None,
    now: datetime,
    *,
    container: str = "",
) -> Load | None:
    """The load of the container under the most pressure; None when nobody measured enough of it of late."""
    if usage is None or now - usage.at > _FRESH_FOR:
        return None
    ready = [pod for pod in pods if pod.live and pod.ready]
    wanted = [one for one in workload.containers if bounded(resource, one) and container in ("", one.name)]
    shares = {one.name: list(_shares(resource, one, ready, usage)) for one in wanted}
    shares = {one.name: shares[one.name] for one in wanted if shares[one.name] or not one.init}
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
    """Rounded to a hundredth of a percent: nobody measures more finely, and a sum of fractions is never exact."""
    return round(sum(shares) / len(shares) if resource == "cpu" else max(shares), 4)


def _shares(resource: Resource, container: ContainerView, ready: list[PodView], usage: Usage) -> Iterator[float]:
    """The shares of this container in the pods in which it was measured."""
    measured = {one.pod: one for one in usage.containers if one.container == container.name}
    for pod in ready:
        bound = _bound(resource, container, pod)
        used = _used(resource, measured[pod.name]) if pod.name in measured else None
        if bound and used is not None:
            yield used / bound


def _used(resource: Resource, usage: ContainerUsage) -> float | None:
    return usage.cpu_cores if resource == "cpu" else usage.memory_bytes


def _bound(resource: Resource, container: ContainerView, pod: PodView | None = None) -> float | None:
    """What a container may use: its CPU limit, or its request without one; its memory limit, the pod's own first."""
    if resource == "cpu":
        return container.cpu_limit or container.cpu_request
    own = pod.memory_limits.get(container.name) if pod is not None else None
    return own or container.memory_limit
