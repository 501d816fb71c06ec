"""Probe timing of a pod template: when a pod must be ready, and when a liveness failure shows."""

from prunella_operator.kubernetes.api import Object

_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_OWN_HOSTS = frozenset({"", "localhost", "127.0.0.1", "::1"})
_PERIOD_SECONDS, _FAILURES, _GRACE_SECONDS = 10, 3, 30  # the API's defaults


def start_budget(template: Object) -> float:
    """Seconds that the probes allow the slowest container to become ready."""
    return max(_spans(template, "readinessProbe"), default=0.0)


def liveness_kill_after(template: Object) -> float:
    """Seconds until a container whose probes never succeed has been killed; 0 without such probes."""
    longest = max(_spans(template, "livenessProbe"), default=0.0)
    grace = (template.get("spec") or {}).get("terminationGracePeriodSeconds", _GRACE_SECONDS)
    return longest + grace if longest else 0.0


def probe_hosts(template: Object) -> tuple[str, ...]:
    """The hosts that probes ask instead of the pod itself: then a failure is theirs."""
    containers = (template.get("spec") or {}).get("containers") or ()
    probes = [container.get(probe) or {} for container in containers for probe in _PROBES]
    hosts = [(probe.get(way) or {}).get("host", "") for probe in probes for way in ("httpGet", "tcpSocket")]
    return tuple(dict.fromkeys(host for host in hosts if host not in _OWN_HOSTS))


def _spans(template: Object, probe: str) -> list[float]:
    """For each container, the seconds of its startup probe and of this probe together."""
    containers = (template.get("spec") or {}).get("containers") or ()
    return [_span(container.get("startupProbe")) + _span(container.get(probe)) for container in containers]


def _span(probe: Object | None) -> float:
    if not probe:
        return 0.0
    attempts = probe.get("failureThreshold", _FAILURES) * probe.get("periodSeconds", _PERIOD_SECONDS)
    return float(probe.get("initialDelaySeconds", 0) + attempts)
