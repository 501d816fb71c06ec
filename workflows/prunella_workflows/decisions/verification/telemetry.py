"""Telemetry as proof: an anomaly is a fault that pods do not show, and its end is part of a repair's success.

No data prove neither.
"""

import math
from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.anomalies import open_anomalies
from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.telemetry.alerts import describe
from prunella_workflows.decisions.verification.expectation import Expectation
from prunella_workflows.model.outcome import Judgement, Presence, Sighting, Verdict, inconclusive
from prunella_workflows.model.telemetry import TelemetryView

_POLL_INTERVAL_SECONDS = 2.0
_MEASURED = timedelta(minutes=1)
"""The time that a view's numbers are about. It must begin after the repaired pods serve."""

_LAG = timedelta(minutes=1)
"""The time until telemetry has been sent, waited for and judged."""

_MINIMUM_REQUESTS = 20
_DEVIATIONS = 3.0
_SMALLEST_SHARE = 0.01
_SLOWER = 1.5
"""The factor up to which the 95th percentile of a minute is at its baseline: pods that have just started are slower."""


def confirm(sighting: Sighting, findings: Findings, grace: float) -> Sighting:
    """A fault while an anomaly goes on after `grace` seconds and no pod fails; else the sighting as it is.

    Only for an incident that an alert opened, while that fires.
    """
    evidence = findings.evidence
    anomaly = next(iter(open_anomalies(evidence)), None)
    if anomaly is None or evidence.alert_since is None or findings.failures or sighting.presence is Presence.FAILING:
        return sighting
    waited = (evidence.read_at - evidence.opened_at).total_seconds()
    presence = Presence.FAILING if waited >= grace else Presence.WATCHING
    return Sighting(
        presence=presence, reason="AnomalyPersists", message=describe(anomaly), again=_POLL_INTERVAL_SECONDS
    )


def judge(view: TelemetryView | None, expected: Expectation, since: datetime, now: datetime) -> Judgement:
    """The verdict on a repair whose pods have been stable `since` then; open while data are missing or still bad.

    Healed once a whole minute after that is at the baseline.
    """
    unknown, bad = _unknown(view, since), ""
    if not unknown:
        assert view is not None
        bad = _describe_excess(view)
        if not bad:
            return Judgement(
                verdict=Verdict.HEALED, reason="Stable", message=f"the pods are stable, and {_state(view)}"
            )
    if now < _deadline(expected, since):
        return Judgement(reason="Checking", message=bad or unknown)
    if bad:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="NotAtBaseline", message=bad)
    return inconclusive("TelemetryUnavailable", f"The pods are stable, but {unknown}.")


def _unknown(view: TelemetryView | None, since: datetime) -> str:
    """The reason for which telemetry says nothing about the time since then; "" if it does."""
    if view is None:
        return "telemetry cannot be read"
    if view.read_to < since + _MEASURED:
        return f"telemetry was read only up to {view.read_to:%H:%M:%S} UTC"
    if view.requests < _MINIMUM_REQUESTS:
        return f"{view.requests} requests in the last minute prove nothing"
    if view.error_baseline is None or view.p95_baseline_ms is None:
        return "it is not known what is usual"
    return ""


def _describe_excess(view: TelemetryView) -> str:
    """The measurement that is above its baseline; "" for none."""
    assert view.error_baseline is not None
    assert view.p95_baseline_ms is not None
    high = view.error_share > _tolerated(view.error_baseline, view.requests)
    return _state(view) if high or view.p95_ms > _SLOWER * view.p95_baseline_ms else ""


def _tolerated(baseline: float, requests: int) -> float:
    """The share of errors that chance explains: three standard deviations of a binomial share above the baseline."""
    share = max(baseline, _SMALLEST_SHARE)
    return baseline + _DEVIATIONS * math.sqrt(share * (1 - share) / requests)


def _state(view: TelemetryView) -> str:
    errors = f"{view.error_share:.1%} of {view.requests} requests fail, usually {view.error_baseline:.1%}"
    return f"{errors}; the 95th percentile is {view.p95_ms:.0f} ms, usually {view.p95_baseline_ms:.0f} ms"


def _deadline(expected: Expectation, since: datetime) -> datetime:
    """The time until which data are waited for: the deadline, and a window in which a minute can be measured."""
    window = timedelta(seconds=expected.settle.window)
    return max(expected.deadline, since + window + max(window, _MEASURED + _LAG) + timedelta(seconds=expected.blind))
