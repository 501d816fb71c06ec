"""The judge of `aiops.py`: how each event ended, whether that was right, and how long the service was down."""

from dataclasses import dataclass, field
from itertools import pairwise

from aiops_faults import REPLICAS
from aiops_mix import NO_INCIDENT, Kind, Needs

Series = list[tuple[float, int]]
"""Seconds, and the number of ready pods from then on."""


@dataclass(frozen=True)
class Write:
    """A write of Prunella to a user's object, from the audit log; `action` is "" for one that no incident reports."""

    resource: str
    name: str
    action: str


@dataclass(frozen=True)
class Ended:
    """An incident as it is at the end of its event."""

    phase: str
    reason: str
    cause: str


@dataclass(frozen=True)
class Downtime:
    """The time that a service was missing, in seconds: `outage` without a ready pod, `lost` by missing pods."""

    outage: float = 0.0
    lost: float = 0.0
    worst: float = 0.0
    """The largest share of its pods that was missing."""
    left: float = 0.0
    """The share that was still missing at the end."""


@dataclass(frozen=True)
class Outcome:
    """The end of one event. Times are seconds from the beginning of the fault; None: never."""

    number: int
    kind: str
    service: str
    minute: float
    """Its beginning, from the start of the day."""
    detected: float | None = None
    """Its incident is there."""
    serving: float | None = None
    """All pods are ready, or more if it needs them, and stay so."""
    closed: float | None = None
    """Its last incident is closed."""
    incidents: tuple[Ended, ...] = ()
    writes: tuple[Write, ...] = ()
    alerts: int = 0
    down: Downtime = field(default_factory=Downtime)


@dataclass(frozen=True)
class Verdict:
    """The answer to whether an event ended rightly; `wrong` are the actions that were not."""

    right: bool
    why: str = ""
    wrong: tuple[str, ...] = ()


def judge(kind: Kind, outcome: Outcome) -> Verdict:
    """Compare an outcome with what the mix says is right."""
    wrong = tuple(
        f"{write.action or 'a write that no incident reports'} on {write.resource} {write.name}"
        for write in outcome.writes
        if write.action not in kind.actions
    )
    problem = f"wrong: {', '.join(wrong)}" if wrong else _problem(kind, outcome)
    return Verdict(not problem, problem, wrong)


def _problem(kind: Kind, outcome: Outcome) -> str:
    """The first thing that is not as it must be; "" for none."""
    ends = {ended.phase for ended in outcome.incidents} or {NO_INCIDENT}
    if strange := ends - set(kind.ends):
        return f"ended {', '.join(sorted(strange))} instead of {' or '.join(kind.ends)}{_reasons(outcome)}"
    if kind.needs is Needs.REPAIR and outcome.serving is None:
        return "healed, and not all pods are ready"
    return ""


def _reasons(outcome: Outcome) -> str:
    found = sorted({f"{ended.reason} ({ended.cause or 'no cause'})" for ended in outcome.incidents})
    return f": {', '.join(found)}" if found else ""


def downtime(series: Series, start: float, end: float) -> Downtime:
    """The downtime of a service between two moments, from the number of its ready pods over time."""
    points = [(start, _at(series, start)), *((at, n) for at, n in series if start < at < end)]
    spans = [(later - at, 1 - min(n, REPLICAS) / REPLICAS) for (at, n), (later, _) in pairwise([*points, (end, 0)])]
    return Downtime(
        outage=sum(seconds for seconds, missing in spans if missing == 1),
        lost=sum(seconds * missing for seconds, missing in spans),
        worst=max((missing for _, missing in spans), default=0.0),
        left=spans[-1][1],
    )


def _at(series: Series, moment: float) -> int:
    return next((count for at, count in reversed(series) if at <= moment), REPLICAS)


def served_since(series: Series, start: float, enough: int = REPLICAS) -> float | None:
    """The moment after which so many pods were ready without a break; None if they are not at the end."""
    if not series:
        return start
    since = None
    for at, count in series:
        since = (at if since is None else since) if count >= enough else None
    return None if since is None else max(since, start)
