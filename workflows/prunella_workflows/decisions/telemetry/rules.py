"""The parameters of a policy in the detectors' units: windows and shares."""

from dataclasses import dataclass

from prunella_workflows.decisions.telemetry.shares import Rules
from prunella_workflows.decisions.telemetry.windows import SECONDS
from prunella_workflows.model.telemetry_policy import DEFAULTS, TelemetryPolicy

_STEEP = 0.7  # of the threshold, for a large rise of errors: most bursts are small ones; not so with durations
_SLOW_RISE = 0.10  # of the share above the 95th percentile: it is 15 % then instead of 5 %


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of all detectors."""

    errors: Rules
    latency: Rules
    latency_factor: float
    saturation: float
    traffic_drop: float
    minimum_requests: int
    critical_errors: float
    critical_latency: float

    @classmethod
    def of(cls, policy: TelemetryPolicy) -> "Parameters":
        """Convert a policy; unset fields have their built-in values."""
        full = {**DEFAULTS.model_dump(), **policy.model_dump(exclude_none=True)}
        learn, quiet = (max(1, round(full[name] / SECONDS)) for name in ("learn", "quiet"))
        threshold = full["threshold"]
        return cls(
            errors=Rules(learn, threshold, _STEEP * threshold, full["error_increase"], quiet),
            latency=Rules(learn, threshold, threshold, _SLOW_RISE, quiet),
            latency_factor=full["latency_factor"],
            saturation=full["saturation"],
            traffic_drop=full["traffic_drop"],
            minimum_requests=full["minimum_requests"],
            critical_errors=full["critical_errors"],
            critical_latency=full["critical_latency"],
        )
