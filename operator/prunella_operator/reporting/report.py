"""The report on a period: statistics of all incidents, of each namespace and of each cause. Pure functions."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from prunella_operator.incidents.client import Incident
from prunella_operator.reporting.statistics import Day, IncidentStats, compute_stats, count_per_day
from prunella_workflows.model.duration import format_duration, parse_duration
from prunella_workflows.model.incident_status import Phase

MANUAL_MINUTES = 30.0
_UNKNOWN = "(no cause found)"
_MAX_BARS = 31  # as many as fit in the chart


@dataclass(frozen=True)
class Line:
    """Statistics of a group of incidents."""

    name: str
    incidents: int
    stats: IncidentStats
    hours_saved: float


@dataclass(frozen=True)
class Report:
    """Incidents opened in a period; `deleted` of them only Temporal still has. Each of `days` covers `each` days."""

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
        """The length of the period, for people."""
        return format_duration((self.until - self.since).total_seconds())

    @property
    def formula(self) -> str:
        """The calculation of the hours saved, with its numbers."""
        return f"{self.total.stats.unattended} healed without approval x {self.manual_minutes:g} min / 60"


def parse_start(text: str, now: datetime) -> datetime:
    """The start of the period given as "30d", "12h" or "2026-11-01" (UTC). Raises ValueError unless in the past."""
    try:
        start = now - timedelta(seconds=parse_duration(text))
    except ValueError:
        start = _parse_date(text, now)
    if start >= now:
        raise ValueError("must be in the past")
    return start


def _parse_date(text: str, now: datetime) -> datetime:
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
    """The report on the incidents opened between `since` and `until`."""
    covered = [incident for incident in incidents if since <= incident.metadata.creation_timestamp <= until]
    days = (until.date() - since.date()).days + 1
    each = ceil(days / _MAX_BARS)
    escalated = [incident for incident in covered if incident.phase in (Phase.ESCALATED, Phase.FAILED)]
    return Report(
        since=since,
        until=until,
        namespace=namespace,
        manual_minutes=manual_minutes,
        total=_line("all", covered, manual_minutes),
        namespaces=_group(covered, manual_minutes, lambda incident: incident.namespace),
        causes=_group(covered, manual_minutes, lambda incident: incident.status.root_cause or _UNKNOWN),
        reasons=tuple(Counter(map(_reason, escalated)).most_common()),
        days=tuple(count_per_day(covered, until.date(), ceil(days / each), each)),
        each=each,
        deleted=deleted,
    )


def _line(name: str, incidents: Sequence[Incident], manual_minutes: float) -> Line:
    stats = compute_stats(incidents)
    return Line(name, len(incidents), stats, stats.unattended * manual_minutes / 60)


def _group(incidents: Sequence[Incident], manual_minutes: float, key: Callable[[Incident], str]) -> tuple[Line, ...]:
    """One line per group, the largest first."""
    groups: dict[str, list[Incident]] = {}
    for incident in incidents:
        groups.setdefault(key(incident), []).append(incident)
    lines = (_line(name, group, manual_minutes) for name, group in groups.items())
    return tuple(sorted(lines, key=lambda line: (-line.incidents, line.name)))


def _reason(incident: Incident) -> str:
    note = incident.status.escalation
    return (note.reason if note else incident.status.reason) or str(incident.phase)
