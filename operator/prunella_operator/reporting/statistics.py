"""Statistics of incidents: how often Prunella repairs unattended, and how fast. Pure functions."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import ceil
from statistics import median

from prunella_operator.incidents.client import Listed
from prunella_workflows.model.incident_status import Phase

HEALED, ESCALATED, RECOVERED, OTHER = "healed", "escalated", "recovered", "other"
OUTCOMES = (HEALED, RECOVERED, ESCALATED, OTHER)
_OUTCOMES_BY_PHASE = {
    Phase.HEALED: HEALED,
    Phase.RECOVERED: RECOVERED,
    Phase.ESCALATED: ESCALATED,
    Phase.FAILED: ESCALATED,
}
_CHART_DAYS = 14


@dataclass(frozen=True)
class Percentiles:
    """Median and 90th percentile, in seconds; None without values."""

    median: float | None = None
    p90: float | None = None

    @classmethod
    def from_values(cls, values: Iterable[float | None]) -> "Percentiles":
        """The percentiles of the values that are known."""
        known = sorted(value for value in values if value is not None)
        return cls(median(known), known[ceil(0.9 * len(known)) - 1]) if known else cls()


@dataclass(frozen=True)
class IncidentStats:
    """Counts, and times in seconds; None while there is no data.

    Of the `healed`, `unattended` needed no approval, and of `unproven` only pods from before the repair serve.

    The auto-repair rate (0 to 1) is Healed / (Healed + Escalated + Failed): incidents that recovered without a repair,
    were cancelled, or were only observed say nothing about repairs. `detection` is from the fault that the kubelet saw.
    """

    open: int
    healed: int
    unproven: int
    unattended: int
    recovered: int
    escalated: int
    auto_repair_rate: float | None
    detection: Percentiles
    repair: Percentiles


@dataclass(frozen=True)
class Day:
    """Closed incidents by outcome, of one day or of a span that starts with it (UTC, by the opening)."""

    day: date
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """All of its closed incidents."""
        return sum(self.counts.values())


def compute_stats(incidents: Iterable[Listed]) -> IncidentStats:
    """The statistics of these incidents."""
    known = list(incidents)
    outcomes = Counter(_outcome(incident) for incident in known if incident.phase.closed)
    repairable = outcomes[HEALED] + outcomes[ESCALATED]
    all_times = [incident.status.times for incident in known]
    return IncidentStats(
        open=sum(not incident.phase.closed for incident in known),
        healed=outcomes[HEALED],
        unproven=sum(incident.phase is Phase.HEALED and not incident.proven for incident in known),
        unattended=sum(incident.phase is Phase.HEALED and not _is_approved(incident) for incident in known),
        recovered=outcomes[RECOVERED],
        escalated=outcomes[ESCALATED],
        auto_repair_rate=outcomes[HEALED] / repairable if repairable else None,
        detection=Percentiles.from_values(_seconds_between(times.fault_at, times.detected_at) for times in all_times),
        repair=Percentiles.from_values(map(_repair_seconds, known)),
    )


def count_per_day(incidents: Iterable[Listed], today: date, count: int = _CHART_DAYS, days_each: int = 1) -> list[Day]:
    """The last `count` days, today included, oldest first; or as many spans of `days_each` days."""
    first = today - timedelta(days=count * days_each - 1)
    counts = Counter(
        ((incident.metadata.creation_timestamp.date() - first).days // days_each, _outcome(incident))
        for incident in incidents
        if incident.phase.closed
    )
    return [
        Day(first + timedelta(days=number * days_each), {outcome: counts[number, outcome] for outcome in OUTCOMES})
        for number in range(count)
    ]


def _outcome(incident: Listed) -> str:
    return _OUTCOMES_BY_PHASE.get(incident.phase, OTHER)


def _is_approved(incident: Listed) -> bool:
    return any((condition.type, condition.status) == ("Approved", "True") for condition in incident.status.conditions)


def _repair_seconds(incident: Listed) -> float | None:
    """From the detection to stable health, of an incident that Prunella healed."""
    if incident.phase is not Phase.HEALED:
        return None
    times = incident.status.times
    return _seconds_between(times.detected_at or times.started_at, times.healed_at)


def _seconds_between(first: datetime | None, last: datetime | None) -> float | None:
    return max(0.0, (last - first).total_seconds()) if first and last else None
