"""What Prunella was worth in a while: figures over all incidents, for each namespace and each cause. Pure functions."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from prunella_operator.incidents.client import Incident
from prunella_operator.reporting.statistics import Day, IncidentStats, days, figures
from prunella_workflows.model.duration import format_duration, parse_duration
from prunella_workflows.model.incident_status import Phase

MANUAL_MINUTES = 30.0
_UNKNOWN = "(no cause found)"
_BARS = 31  # as many as the chart has room for


@dataclass(frozen=True)
class Line:
    """The figures of some of the incidents."""

    name: str
    incidents: int
    figures: IncidentStats
    hours_saved: float


@dataclass(frozen=True)
class Report:
    """Incidents that were opened in a while. `deleted` of them are known from Temporal alone, their objects are gone.

    Each of `days` covers `each` days.
    """

    since: datetime
    until: datetime
    namespace: str | None
    manual_minutes: float
    total: Line
    namespaces: tuple[Line, ...]
    causes: tuple[Line, ...]
    reasons: tuple[tuple[str, int], ...]
    days: tuple[Day, ...]
    each: int
    deleted: int = 0

    @property
    def span(self) -> str:
        """How long it covers, for people."""
        return format_duration((self.until - self.since).total_seconds())

    @property
    def formula(self) -> str:
        """How the hours saved are counted, with the numbers in it."""
        return f"{self.total.figures.alone} healed without a person's answer x {self.manual_minutes:g} min / 60"


def beginning(text: str, now: datetime) -> datetime:
    """The moment that a person means by "30d", "12h" or "2026-11-01" (UTC).

    Raises:
        ValueError: it is neither, or no time has passed since then.
    """
    try:
        span = timedelta(seconds=parse_duration(text))
    except ValueError:
        begin = _date(text, now)
    else:
        begin = now - span
    if begin >= now:
        raise ValueError("no time has passed since then")
    return begin


def _date(text: str, now: datetime) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=now.tzinfo)
    except ValueError:
        raise ValueError("expected a span such as 30d, 12h or 1d12h, or a date such as 2026-11-01") from None


def build(
    incidents: Sequence[Incident],
    since: datetime,
    until: datetime,
    *,
    namespace: str | None = None,
    manual_minutes: float = MANUAL_MINUTES,
    deleted: int = 0,
) -> Report:
    """The report on those of the incidents that were opened since then."""
    known = [incident for incident in incidents if since <= incident.metadata.creation_timestamp <= until]
    covered = (until.date() - since.date()).days + 1
    each = ceil(covered / _BARS)
    return Report(
        since=since,
        until=until,
        namespace=namespace,
        manual_minutes=manual_minutes,
        total=_line("all", known, manual_minutes),
        namespaces=_lines(known, manual_minutes, lambda one: one.namespace),
        causes=_lines(known, manual_minutes, lambda one: one.status.root_cause or _UNKNOWN),
        reasons=tuple(Counter(map(_reason, filter(_handed_over, known))).most_common()),
        days=tuple(days(known, until.date(), ceil(covered / each), each)),
        each=each,
        deleted=deleted,
    )


def _line(name: str, incidents: Sequence[Incident], manual_minutes: float) -> Line:
    found = figures(incidents)
    return Line(name, len(incidents), found, found.alone * manual_minutes / 60)


def _lines(incidents: Sequence[Incident], manual_minutes: float, key: Callable[[Incident], str]) -> tuple[Line, ...]:
    """One line for each group, the largest first."""
    groups: dict[str, list[Incident]] = {}
    for incident in incidents:
        groups.setdefault(key(incident), []).append(incident)
    lines = (_line(name, group, manual_minutes) for name, group in groups.items())
    return tuple(sorted(lines, key=lambda line: (-line.incidents, line.name)))


def _handed_over(incident: Incident) -> bool:
    return incident.phase in (Phase.ESCALATED, Phase.FAILED)


def _reason(incident: Incident) -> str:
    note = incident.status.escalation
    return (note.reason if note else incident.status.reason) or str(incident.phase)
