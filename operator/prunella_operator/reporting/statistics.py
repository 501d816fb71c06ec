"""Figures of merit from incidents: how often Prunella repairs by itself, and how fast. Pure functions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from statistics import median

from prunella_operator.incidents.client import Incident
from prunella_workflows.model.incident_status import Phase

HEALED, ESCALATED, RECOVERED, OTHER = "healed", "escalated", "recovered", "other"
OUTCOMES = (HEALED, RECOVERED, ESCALATED, OTHER)
_OUTCOME = {
    Phase.HEALED: HEALED,
    Phase.RECOVERED: RECOVERED,
    Phase.ESCALATED: ESCALATED,
    Phase.FAILED: ESCALATED,
}


@dataclass(frozen=True)
class Percentiles:
    """Times in seconds: the median, and what nine of ten do not exceed; None where there are none."""

    median: float | None = None
    p90: float | None = None

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Percentiles":
        """The spread of those values that are known."""
        known = sorted(value for value in values if value is not None)
        return cls(median(known), known[ceil(0.9 * len(known)) - 1]) if known else cls()


@dataclass(frozen=True)
class IncidentStats:
    """Of closed incidents, times in seconds; None where nothing can be told yet.

    The auto-repair rate (0 to 1) is Healed / (Healed + Escalated + Failed): what recovered by itself, was cancelled,
    or was only looked at says nothing about repairs. `alone` are those healed without a person's answer.
    """

    open: int
    healed: int
    alone: int
    recovered: int
    handed_over: int
    auto_repair_rate: float | None
    detection: Percentiles
    repair: Percentiles


@dataclass(frozen=True)
class Day:
    """How many incidents of one day, or of a span that begins with it, came to which end (UTC, by their opening)."""

    day: date
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """All of its closed incidents."""
        return sum(self.counts.values())


def figures(incidents: Iterable[Incident]) -> IncidentStats:
    """The figures of these incidents."""
    known = list(incidents)
    ends = Counter(_OUTCOME.get(one.phase, OTHER) for one in known if one.phase.closed)
    judged = ends[HEALED] + ends[ESCALATED]
    return IncidentStats(
        open=sum(not one.phase.closed for one in known),
        healed=ends[HEALED],
        alone=sum(one.phase is Phase.HEALED and not approved(one) for one in known),
        recovered=ends[RECOVERED],
        handed_over=ends[ESCALATED],
        auto_repair_rate=ends[HEALED] / judged if judged else None,
        detection=Percentiles.of(detection_time(one) for one in known),
        repair=Percentiles.of(repair_time(one) for one in known),
    )


def approved(incident: Incident) -> bool:
    """Whether a person let a repair of it go ahead."""
    return any((condition.type, condition.status) == ("Approved", "True") for condition in incident.status.conditions)


def detection_time(incident: Incident) -> float | None:
    """Seconds from the fault, by the kubelet's record, to its detection."""
    times = incident.status.times
    return _between(times.fault_at, times.detected_at)


def repair_time(incident: Incident) -> float | None:
    """Seconds from the detection to health that held, of an incident that Prunella healed."""
    times = incident.status.times
    return _between(times.detected_at or times.started_at, times.healed_at) if incident.phase is Phase.HEALED else None


def _between(first: datetime | None, last: datetime | None) -> float | None:
    return max(0.0, (last - first).total_seconds()) if first and last else None


def days(incidents: Iterable[Incident], today: date, count: int = 14, each: int = 1) -> list[Day]:
    """The last `count` days, today included, oldest first; or as many spans of `each` days, named by their first."""
    first = today - timedelta(days=count * each - 1)
    ends = Counter(
        ((incident.metadata.creation_timestamp.date() - first).days // each, _OUTCOME.get(incident.phase, OTHER))
        for incident in incidents
        if incident.phase.closed
    )
    return [
        Day(first + timedelta(days=number * each), {outcome: ends[number, outcome] for outcome in OUTCOMES})
        for number in range(count)
    ]
