"""The figures of `aiops.py`, kept in a file while it runs, and their table beside those of the guide."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from math import inf
from pathlib import Path
from statistics import median
from typing import Any

from aiops_judge import Downtime, Outcome, Verdict, judge
from aiops_mix import NO_INCIDENT, Kind, Needs
from proc import percentile
from pydantic import TypeAdapter

_BEFORE_DETECTION, _BEFORE_REPAIR = 15 * 60, 4 * 3600
"""Seconds, without Prunella: the guide's figures. A person needs as long for what is escalated."""
_DAY, _MONTH = 24 * 3600, 30
_OUTCOMES = TypeAdapter(list[Outcome])


@dataclass
class Day:
    """One run: what was wanted, the outcome of each event so far, and what was written beside the events."""

    wanted: dict[str, Any]
    outcomes: list[Outcome] = field(default_factory=list)
    bystanders: list[str] = field(default_factory=list)
    """Writes of Prunella to services that had no event."""
    load: float = 0.0

    def put(self, file: Path) -> None:
        """Write it to a file, after each event, so that an interrupted run keeps its figures."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @staticmethod
    def read(file: Path) -> "Day":
        """The run of a file."""
        found = json.loads(file.read_text())
        return Day(**{**found, "outcomes": _OUTCOMES.validate_python(found["outcomes"])})


@dataclass(frozen=True)
class Row:
    """An outcome with its kind and its verdict."""

    kind: Kind
    outcome: Outcome
    verdict: Verdict

    @property
    def is_fault(self) -> bool:
        """Something is wrong that does not end by itself."""
        return self.kind.source == "triggers" and self.kind.needs is not Needs.NOTHING

    @property
    def healed(self) -> bool:
        """A repair of Prunella ended it."""
        phases = {ended.phase for ended in self.outcome.incidents}
        return "Healed" in phases and phases <= {"Healed", "Recovered"}

    @property
    def by_person(self) -> bool:
        """A person has to act: it was escalated, or it is a fault that Prunella does not end."""
        escalated = any(ended.phase in {"Escalated", "Failed"} for ended in self.outcome.incidents)
        return escalated or (self.kind.needs is not Needs.NOTHING and not self.healed)


def judged(day: Day, kinds: Sequence[Kind]) -> list[Row]:
    """All outcomes with their verdicts."""
    named = {kind.name: kind for kind in kinds}
    return [Row(named[one.kind], one, judge(named[one.kind], one)) for one in day.outcomes]


def markdown(day: Day, kinds: Sequence[Kind]) -> str:
    """The figures beside the guide's, the kinds, and every event that did not end rightly."""
    rows = judged(day, kinds)
    if not rows:
        return "no event has ended yet"
    size = f"{len(rows)} of {day.wanted['events']} events, {day.wanted['services']} services, load {day.load:.1f}"
    return "\n".join([size, "", *_figures(day, rows), "", *_by_kind(rows), "", *_remarks(day, rows)])


def _figures(day: Day, rows: list[Row]) -> Iterator[str]:
    yield "| figure | guide: before | guide: aim | measured | aim |"
    yield "|---|---|---|---|---|"
    wrong = sum(len(row.verdict.wrong) for row in rows) + len(day.bystanders)
    yield from _times(rows)
    yield from _shares(rows)
    yield _line("wrong actions", "", "0", str(wrong), wrong == 0)
    yield from _availability(day, rows)


def _line(name: str, before: str, aim: str, got: str, met: bool | None) -> str:
    return f"| {name} | {before} | {aim} | {got} | {'' if met is None else 'met' if met else 'missed'} |"


def _times(rows: list[Row]) -> Iterator[str]:
    detected = [row.outcome.detected for row in _with_incident(rows)]
    healed = [row.outcome for row in rows if row.healed]
    for name, values, most, before, aim in (
        ("detection, from the fault to the incident", detected, 120, "15 min", "2 min"),
        ("repair, from the fault until all pods are ready", [o.serving for o in healed], 900, "4 h", "15 min"),
        ("repair, from the fault until it is verified", [o.closed for o in healed], 900, "4 h", "15 min"),
    ):
        if found := [inf if value is None else value for value in values]:
            high = percentile(found, 0.95)
            got = f"median {_time(median(found))}, p95 {_time(high)}, longest {_time(max(found))}"
            yield _line(name, before, aim, got, high <= most)


def _with_incident(rows: list[Row]) -> list[Row]:
    """The faults that must have an incident: all but those of services that opted out."""
    return [row for row in rows if row.is_fault and NO_INCIDENT not in row.kind.ends]


def _time(seconds: float) -> str:
    if seconds == inf:
        return "never"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.1f} min"


def _shares(rows: list[Row]) -> Iterator[str]:
    faults = [row for row in rows if row.is_fault]
    mendable = [row for row in rows if row.kind.needs is Needs.REPAIR]
    for name, among in (("of those that a change of the workload repairs", mendable), ("of all faults", faults)):
        got, share = _share(among, lambda row: row.healed)
        yield _line(f"auto-repair rate, {name}", "", "75 %", got, share >= 0.75)
    got, share = _share(_with_incident(rows), lambda row: row.outcome.detected is not None)
    yield _line("faults with an incident, except for those that opted out", "", "", got, None)
    got, share = _share(rows, lambda row: row.by_person)
    yield _line("events that needed a person", "100 %", "20 % (-80 %)", got, share <= 0.2)
    got, share = _share(rows, lambda row: row.verdict.right)
    yield _line("events that ended as they should", "", "", got, None)


def _share(rows: list[Row], holds: Callable[[Row], bool]) -> tuple[str, float]:
    count = sum(holds(row) for row in rows)
    share = count / len(rows) if rows else float("nan")
    return f"{100 * share:.0f} % ({count} of {len(rows)})", share


@dataclass(frozen=True)
class _Weight:
    """A way to count downtime: the seconds measured, and the weight of a share of missing pods while people repair."""

    name: str
    measured: Callable[[Downtime], float]
    counts: Callable[[float], float]


_WEIGHTS = (
    _Weight("each missing pod counts", lambda down: down.lost, lambda missing: missing),
    _Weight("only while no pod is ready", lambda down: down.outage, lambda missing: float(missing == 1)),
)


def _availability(day: Day, rows: list[Row]) -> Iterator[str]:
    """A month of such days: the mean of all services, with the guide's four hours for what a person repairs."""
    scale = _MONTH * day.wanted["day"] / len(rows) / day.wanted["services"]
    for weight in _WEIGHTS:
        before = scale * sum(_before(row, weight) for row in rows)
        by_itself = scale * sum(weight.measured(row.outcome.down) for row in rows)
        yield from _month(
            weight.name, before, by_itself, by_itself + scale * sum(_by_hand(row, weight) for row in rows)
        )


def _before(row: Row, weight: _Weight) -> float:
    """Downtime without Prunella: the same pods are missing until a person has found and repaired it."""
    down = row.outcome.down
    if row.kind.needs is Needs.NOTHING:
        return weight.measured(down)
    return (_BEFORE_DETECTION + _BEFORE_REPAIR) * weight.counts(down.worst)


def _by_hand(row: Row, weight: _Weight) -> float:
    """Downtime after the hand-over."""
    return _BEFORE_REPAIR * weight.counts(row.outcome.down.left) if row.by_person else 0.0


def _month(name: str, before: float, by_itself: float, after: float) -> Iterator[str]:
    reported = f"{_minutes(after)}, of which {_minutes(by_itself)} until the repair or the hand-over"
    reported += f"; without Prunella {_minutes(before)}"
    yield _line(f"downtime of a service a month, {name}", "4 h", "30 min", reported, after <= 1800)
    up = 1 - after / (_MONTH * _DAY)
    without = 1 - before / (_MONTH * _DAY)
    shown = f"{100 * up:.3f} %; without Prunella {100 * without:.3f} %"
    yield _line(f"availability, {name}", "99.5 %", "99.95 %", shown, up >= 0.9995)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.1f} min"


def _by_kind(rows: list[Row]) -> Iterator[str]:
    yield "| kind | needs | events | right | ended | detected (median) | verified (median) |"
    yield "|---|---|---|---|---|---|---|"
    for kind in dict.fromkeys(row.kind for row in rows):
        own = [row for row in rows if row.kind == kind]
        ends = Counter(_end(row) for row in own)
        ended = ", ".join(f"{count} {end}" for end, count in ends.most_common())
        right = sum(row.verdict.right for row in own)
        times = [_median([getattr(row.outcome, name) for row in own]) for name in ("detected", "closed")]
        yield f"| {kind.name} | {kind.needs} | {len(own)} | {right} | {ended} | {' | '.join(times)} |"


def _end(row: Row) -> str:
    return " and ".join(f"{ended.phase}/{ended.reason}" for ended in row.outcome.incidents) or "no incident"


def _median(values: list[float | None]) -> str:
    found = [value for value in values if value is not None]
    return _time(median(found)) if found else ""


def _remarks(day: Day, rows: list[Row]) -> Iterator[str]:
    """Yield every event that did not end rightly, and every write beside the events."""
    for row in rows:
        if not row.verdict.right:
            yield f"- event {row.outcome.number}, {row.kind.name}, {row.outcome.service}: {row.verdict.why}"
    yield from (f"- written beside the events: {text}" for text in day.bystanders)
