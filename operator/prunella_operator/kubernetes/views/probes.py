"""What the probes of a pod template say about time: when a pod must be ready, and when it shows to be ill."""

from prunella_operator.kubernetes.api import Object

_PERIOD, _FAILURES, _GRACE = 10, 3, 30  # the API's defaults


def start_budget(template: Object) -> float:
    """Seconds that the probes grant the slowest container until it is ready."""
    containers = (template.get("spec") or {}).get("containers") or ()
    return max(
        (_span(container.get("startupProbe")) + _span(container.get("readinessProbe")) for container in containers),
        default=0.0,
    )


def illness_shows(template: Object) -> float:
    """Seconds until a container whose probes never succeed is seen to be killed; 0 without such probes."""
    spec = template.get("spec") or {}
    containers = spec.get("containers") or ()
    spans = [_span(container.get("startupProbe")) + _span(container.get("livenessProbe")) for container in containers]
    longest = max(spans, default=0.0)
    return longest + spec.get("terminationGracePeriodSeconds", _GRACE) if longest else 0.0


def _span(probe: Object | None) -> float:
    if not probe:
        return 0.0
    tries = probe.get("failureThreshold", _FAILURES) * probe.get("periodSeconds", _PERIOD)
    return float(probe.get("initialDelaySeconds", 0) + tries)
