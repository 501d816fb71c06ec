"""Figures of merit from incidents: how often Prunella repairs by itself, and how fast. Pure functions."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import median

from prunella_operator.incidents import Incident
from prunella_workflows.model.incident import Phase

HEALED, ESCALATED, RECOVERED, OTHER = "healed", "escalated", "recovered", "other"
OUTCOMES = (HEALED, RECOVERED, ESCALATED, OTHER)
_OUTCOME = {
    Phase.HEALED: HEALED,
    Phase.RECOVERED: RECOVERED,
    Phase.ESCALATED: ESCALATED,
    Phase.FAILED: ESCALATED,
}


@dataclass(frozen=True)
class Figures:
    """Of closed incidents, times in seconds; None where nothing can be told yet.

    The auto-repair rate (0 to 1) is Healed / (Healed + Escalated + Failed): what recovered by itself, was cancelled,
    or was only looked at says nothing about repairs.
    """

    open: int
    healed: int
    handed_over: int
    auto_repair_rate: float | None
    detection: float | None
    repair: float | None


@dataclass(frozen=True)
class Day:
    """How many incidents of one day (UTC, by their opening) came to which end."""

    day: date
    counts: dict[str, int]

    @property
    def total(self) -> int:
        """All of the day's closed incidents."""
        return sum(self.counts.values())


def figures(incidents: Iterable[Incident]) -> Figures:
    """The figures of these incidents."""
    known = list(incidents)
    ends = Counter(_OUTCOME.get(one.phase, OTHER) for one in known if one.phase.closed)
    judged = ends[HEALED] + ends[ESCALATED]
    return Figures(
        open=sum(not one.phase.closed for one in known),
        healed=ends[HEALED],
        handed_over=ends[ESCALATED],
        auto_repair_rate=ends[HEALED] / judged if judged else None,
        detection=_median(detection_time(one) for one in known),
        repair=_median(repair_time(one) for one in known),
    )


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


def _median(values: Iterable[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return median(known) if known else None


def days(incidents: Sequence[Incident], today: date, count: int = 14) -> list[Day]:
    """The last `count` days, today included, oldest first."""
    closed = [one for one in incidents if one.phase.closed]
    of_day = Counter((one.metadata.creation_timestamp.date(), _OUTCOME.get(one.phase, OTHER)) for one in closed)
    span = (today - timedelta(days=count - 1 - number) for number in range(count))
    return [Day(day, {outcome: of_day[day, outcome] for outcome in OUTCOMES}) for day in span]
