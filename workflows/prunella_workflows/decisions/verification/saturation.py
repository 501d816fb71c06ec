"""Judges by measurements whether a workload is saturated, and whether a repair relieved it. No data proves neither."""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.saturation import Load, Resource, measure_evidence
from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Judgement, Presence, Sighting, Verdict
from prunella_workflows.model.plan import Relief

_POLL_INTERVAL_SECONDS = 2.0
_METRICS_TIMEOUT = timedelta(minutes=3)
"""A metrics source needs a minute or two for new pods; without metrics by then, a person must check."""


def confirm(
    resource: Resource, evidence: Evidence, grace: float, quiet: float, *, calm_since: datetime | None, healthy: bool
) -> Sighting:
    """Failing once the saturation lasts for `grace`, recovered once healthy pods are below it for `quiet` seconds.

    Without metrics for `_METRICS_TIMEOUT` report FAILING, so that the diagnosis can say that they are unavailable.
    """
    now, load = evidence.read_at, measure_evidence(resource, evidence)
    if load is None and now - evidence.opened_at >= _METRICS_TIMEOUT:
        message = "no metrics are available for the pods"
        return Sighting(presence=Presence.FAILING, reason="NotMeasured", message=message)
    if load is None or not (load.high or load.fully_measured):
        return _watching("NotMeasured", "waiting for metrics of the pods")
    if load.high:
        return _high(load, evidence, grace)
    since = calm_since or now
    if not healthy or (now - since).total_seconds() < quiet:
        return _watching("Calm", str(load), calm_since=since)
    return Sighting(presence=Presence.RECOVERED, reason="HealedByItself", message=str(load))


def _high(load: Load, evidence: Evidence, grace: float) -> Sighting:
    """Give an autoscaler that can act on it time to do so."""
    if load.resource == "cpu" and _autoscaler_acts(evidence):
        return _watching("AutoscalerActs", f"{load}; {evidence.scaling.autoscalers[0]} is scaling out")
    if (evidence.read_at - evidence.opened_at).total_seconds() < grace:
        return _watching("Watching", str(load))
    return Sighting(presence=Presence.FAILING, reason="PressurePersists", message=str(load))


def _autoscaler_acts(evidence: Evidence) -> bool:
    """Report whether an autoscaler is active and may still add pods."""
    found = evidence.scaling.autoscalers
    return len(found) == 1 and found[0].active and not found[0].at_maximum


def _watching(reason: str, message: str, calm_since: datetime | None = None) -> Sighting:
    return Sighting(
        presence=Presence.WATCHING, reason=reason, message=message, again=_POLL_INTERVAL_SECONDS, calm_since=calm_since
    )


def judge(rule: Relief, load: Load | None, deadline: datetime, grace: float, now: datetime) -> Judgement | None:
    """The judgement against the repair, decided or still open; None when the load is low enough.

    Wait for high load to fall until `deadline`, and for missing metrics for `grace` seconds more: both lag.
    """
    if load is not None and load.share >= rule.below:
        verdict = None if now < deadline else Verdict.NOT_HEALED
        return Judgement(verdict=verdict, reason="StillHigh", message=str(load))
    if load is not None and load.fully_measured:
        return None
    verdict = None if now < deadline + timedelta(seconds=grace) else Verdict.INCONCLUSIVE
    message = "The pods are ready, but no metrics are available to verify their load."
    return Judgement(verdict=verdict, reason="MetricsUnavailable", message=message)
