"""Telemetry rules of a ClusterHealingPolicy: how anomalies are found in traces, metrics and logs, and handled."""

from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration


class TelemetryPolicy(Value):
    """Detection of anomalies in telemetry, and their handling. An unset field falls back to the built-in value."""

    mode: AlertHandlingMode | None = None
    """Heal opens an incident for a critical anomaly with a known origin and notifies people, Notify only notifies
    people, Record only stores anomalies. Built-in: Heal."""
    learn: Duration | None = None
    """Time of healthy data after which a service is judged, as a duration from 5m to 24h. Built-in: 15m."""
    lateness: Duration | None = None
    """Time for which a window of 10 s waits for late data before it is judged, from 0s to 5m. Built-in: 10s."""
    quiet: Duration | None = None
    """Time without anything unusual after which an anomaly is over, from 10s to 1h. Built-in: 1m."""
    threshold: float | None = None
    """Evidence needed for an anomaly: the logarithm of the likelihood ratio, from 5 to 100. More means later and
    fewer anomalies. Built-in: 20."""
    error_increase: float | None = None
    """Smallest rise of the share of errors that is looked for, more than 0 and less than 1. Built-in: 0.02."""
    latency_factor: float | None = None
    """Smallest factor over the learnt 95th percentile of durations that is an anomaly, more than 1. Built-in: 1.5."""
    saturation: float | None = None
    """Share of its limit of CPU or memory that a pod must use to be called saturated, up to 1. Built-in: 0.9."""
    traffic_drop: float | None = None
    """Share of the usual requests below which the traffic of a service has dropped; 0 disables it. Built-in: 0.1."""
    minimum_requests: int | None = None
    """Requests that an anomaly must comprise to be critical, from 1. Built-in: 50."""
    critical_errors: float | None = None
    """Share of errors from which an anomaly with a known origin is critical. Built-in: 0.2."""
    critical_latency: float | None = None
    """Factor over the learnt 95th percentile from which an anomaly with a known origin is critical. Built-in: 4."""


DEFAULTS = TelemetryPolicy(
    mode=AlertHandlingMode.HEAL,
    learn=900.0,
    lateness=10.0,
    quiet=60.0,
    threshold=20.0,
    error_increase=0.02,
    latency_factor=1.5,
    saturation=0.9,
    traffic_drop=0.1,
    minimum_requests=50,
    critical_errors=0.2,
    critical_latency=4.0,
)
"""The values of fields that no policy sets."""


def merge_telemetry(*policies: TelemetryPolicy) -> TelemetryPolicy:
    """Merge policies over the built-in values, field by field; later ones win."""
    fields = DEFAULTS.model_dump()
    for policy in policies:
        fields |= policy.model_dump(exclude_none=True)
    return TelemetryPolicy.model_validate(fields)
