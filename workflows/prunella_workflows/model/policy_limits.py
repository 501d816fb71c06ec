"""Limits of repairs: of one, of many at once, and of the patience before the first.

The docstring below a field is its description in the CRD (`make crds`).
"""

from enum import StrEnum

from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration, Memory


class Resize(StrEnum):
    """Method of the first memory raise: in the running pods, where the cluster supports it, or by a rolling update."""

    IN_PLACE = "InPlace"
    ROLLOUT = "Rollout"


class Limits(Value):
    """Limits of a repair. None means: not set in this policy."""

    memory_max: Memory | None = None
    """Maximum memory limit of a container after a raise, as a quantity of at least 1Mi."""
    memory_factor: float | None = None
    """Factor by which a container's memory limit is raised, more than 1 and at most 4."""
    memory_min_step: Memory | None = None
    """Minimum step of a raise of a memory limit, as a quantity of at least 1Mi, so that small limits rise enough."""
    resize: Resize | None = None
    """Method of the first memory raise. InPlace resizes the running pods without a restart where the cluster
    supports it (the template is unchanged, so a person has to make it permanent); Rollout changes the template, unless
    that would take away too many healthy pods."""
    replicas_max: int | None = None
    """Maximum replicas of a workload after a scale-out, and the highest maxReplicas of its autoscaler after a raise."""
    attempts: int | None = None
    """Maximum number of repairs tried for one incident before it is escalated."""


class Budgets(Value):
    """Limits on concurrent repairs, repairs per hour, and the healthy share of the namespace (percent)."""

    concurrent_per_namespace: int | None = None
    """Maximum number of concurrent repairs in one namespace."""
    concurrent_per_cluster: int | None = None
    """Maximum number of concurrent repairs in the cluster. Only in a ClusterHealingPolicy."""
    per_hour_per_workload: int | None = None
    """Maximum number of repairs of one workload in an hour."""
    per_hour_per_namespace: int | None = None
    """Maximum number of repairs of all workloads of one namespace in an hour."""
    per_hour_per_cluster: int | None = None
    """Maximum number of repairs in the cluster in an hour. Only in a ClusterHealingPolicy."""
    minimum_healthy_percent: int | None = None
    """Share of the namespace's workloads, in percent, that must be healthy for a repair: when more are broken, the
    cause is elsewhere. 0 disables this check."""


class BackOff(Value):
    """Patience with a minority of pods that crash after the rollout was complete: the kubelet restarts them itself."""

    restarts: int | None = None
    """Restarts that the kubelet is left to make, at least. 0 disables the patience together with time 0s."""
    time: Duration | None = None
    """Time that is waited since the incident was opened, at least, as a duration of at most 10m."""
