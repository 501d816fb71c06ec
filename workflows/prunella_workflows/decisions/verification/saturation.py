"""Is there pressure, and has a repair relieved it? Only measurements tell: pods are healthy under pressure.

No data says neither that it is there nor that it is gone.
"""

from datetime import datetime, timedelta

from prunella_workflows.decisions.diagnosis.saturation import Load, Resource, load_of, measure
from prunella_workflows.model.evidence import Evidence, Usage
from prunella_workflows.model.outcome import Judgement, Presence, Sighting, Verdict
from prunella_workflows.model.plan import Relief
from prunella_workflows.model.workload import PodView, WorkloadView

_LOOK_EVERY = 2.0
_MEASURED_WITHIN = timedelta(minutes=3)
"""A source needs a minute or two for new pods; what is not measured by then a person must look at."""


def confirm(
    resource: Resource, evidence: Evidence, grace: float, quiet: float, *, calm_since: datetime | None, healthy: bool
) -> Sighting:
    """Whether the pressure lasts for `grace`, or is gone for `quiet` seconds, from healthy pods, or must be watched.

    What nobody measures is watched for a while; then the diagnosis says that nobody does.
    """
    now, load = evidence.read_at, load_of(resource, evidence)
    if load is None and now - evidence.opened_at >= _MEASURED_WITHIN:
        return Sighting(presence=Presence.FAILING, reason="NotMeasured", message="nobody measures what the pods use")
    if load is None or not (load.high or load.whole):
        return _watching("NotMeasured", "what the pods use is not measured yet")
    if load.high:
        return _high(load, evidence, grace)
    since = calm_since or now
    if not healthy or (now - since).total_seconds() < quiet:
        return _watching("Calm", str(load), calm_since=since)
    return Sighting(presence=Presence.RECOVERED, reason="HealedByItself", message=str(load))


def _high(load: Load, evidence: Evidence, grace: float) -> Sighting:
    """An autoscaler that can act on it is given time; nobody else would."""
    if load.resource == "cpu" and _autoscaler_acts(evidence):
        return _watching("AutoscalerActs", f"{load}; {evidence.scaling.autoscalers[0]} acts on it")
    if (evidence.read_at - evidence.opened_at).total_seconds() < grace:
        return _watching("Watching", str(load))
    return Sighting(presence=Presence.FAILING, reason="PressurePersists", message=str(load))


def _autoscaler_acts(evidence: Evidence) -> bool:
    """Whether an autoscaler can and may still add pods."""
    found = evidence.scaling.autoscalers
    return len(found) == 1 and found[0].active and not found[0].at_maximum


def _watching(reason: str, message: str, calm_since: datetime | None = None) -> Sighting:
    return Sighting(
        presence=Presence.WATCHING, reason=reason, message=message, again=_LOOK_EVERY, calm_since=calm_since
    )


def measured(
    rule: Relief,
    workload: WorkloadView,
    pods: tuple[PodView, ...],
    usage: Usage | None,
    *,
    since: datetime,
    now: datetime,
) -> Load | None:
    """The load that the rule is about, when it was measured after `since`."""
    if usage is None or usage.at <= since:
        return None
    return measure(rule.resource, workload, pods, usage, now, container=rule.container)


def judge(rule: Relief, load: Load | None, deadline: datetime, patience: float, now: datetime) -> Judgement | None:
    """What stands against the repair, decided or still open; None when little enough is used.

    Until `deadline` much use is waited out, and missing measurements for `patience` seconds more: both come late.
    """
    if load is not None and load.share >= rule.below:
        verdict = None if now < deadline else Verdict.NOT_HEALED
        return Judgement(verdict=verdict, reason="StillHigh", message=str(load))
    if load is not None and load.whole:
        return None
    verdict = None if now < deadline + timedelta(seconds=patience) else Verdict.INCONCLUSIVE
    message = "The pods are ready, but what they use is not measured."
    return Judgement(verdict=verdict, reason="MetricsUnavailable", message=message)
