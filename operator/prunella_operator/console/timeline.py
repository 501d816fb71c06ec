"""One incident as a list of moments, for the page that tells its story. Pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from prunella_operator.incidents.client import Incident
from prunella_workflows.model.incident_status import Attempt

_LAST = datetime.max.replace(tzinfo=UTC)
_TONES = {"Healed": "good", "NotHealed": "bad", "Worse": "bad", "Inconclusive": "warn"}


@dataclass(frozen=True)
class Moment:
    """Something that happened: when (None: not told), what, its details, and how it bodes (good, bad, warn or "")."""

    at: datetime | None
    title: str
    lines: tuple[str, ...] = ()
    diff: str = ""
    tone: str = ""


def moments(incident: Incident) -> list[Moment]:
    """The story in the order of time; what has no time of its own stands where it belongs."""
    return sorted(_all(incident), key=lambda one: one.at or _LAST)


def _all(incident: Incident) -> Iterator[Moment]:
    status, times, spec = incident.status, incident.status.times, incident.spec
    yield (
        Moment(times.fault_at, "The fault happened", (status.fault,) if status.fault else ())
        if times.fault_at
        else (Moment(incident.metadata.creation_timestamp, f"Reported as {spec.type}", _lines(spec.description)))
    )
    if times.detected_at:
        yield Moment(times.detected_at, f"Seen as {spec.type}", _lines(spec.description))
    if times.diagnosed_at:
        yield _diagnosis(incident)
        yield Moment(times.diagnosed_at, "Guards asked", tuple(_guards(incident)), tone=_held(incident))
    if status.plan and not status.attempts:
        yield Moment(times.diagnosed_at, "The plan", (status.plan,), status.diff)
    for attempt in status.attempts:
        yield from _attempt(attempt)
    if spec.approval:
        answer = spec.approval
        yield Moment(times.diagnosed_at, f"{answer.decision} by {answer.by or 'somebody'}", _lines(answer.reason))
    if status.escalation:
        yield _escalation(incident)
    if times.closed_at:
        tone = {"Healed": "good", "Recovered": "good", "Escalated": "bad", "Failed": "bad"}.get(incident.phase, "")
        yield Moment(times.closed_at, f"Closed: {incident.phase}", _lines(status.message), tone=tone)


def _lines(*texts: str) -> tuple[str, ...]:
    return tuple(text for text in texts if text)


def _diagnosis(incident: Incident) -> Moment:
    status = incident.status
    facts = tuple(f"{note.source}: {note.message}" for note in status.evidence)
    sure = f", confidence {status.confidence}" if status.confidence else ""
    return Moment(status.times.diagnosed_at, f"Diagnosed: {status.root_cause or 'nothing known'}{sure}", facts)


def _guards(incident: Incident) -> Iterator[str]:
    yield from (
        f"held by {guard.name}: {guard.message or guard.reason}" for guard in incident.status.guards if guard.held
    )
    if passed := ", ".join(guard.name for guard in incident.status.guards if not guard.held):
        yield f"passed: {passed}"


def _held(incident: Incident) -> str:
    return "warn" if any(guard.held for guard in incident.status.guards) else ""


def _attempt(attempt: Attempt) -> Iterator[Moment]:
    values = ", ".join(f"{name} {value}" for name, value in attempt.parameters.items())
    title = f"Attempt {attempt.number}: {attempt.action} on {attempt.target}"
    yield Moment(attempt.written_at or attempt.started_at, title, _lines(values), attempt.diff)
    if attempt.verdict:
        tone = _TONES.get(attempt.verdict, "")
        undone = "undone: the workload is again as its owner left it" if attempt.undone else ""
        yield Moment(attempt.finished_at, f"Verdict: {attempt.verdict}", _lines(attempt.message, undone), tone=tone)


def _escalation(incident: Incident) -> Moment:
    told = incident.status.escalation
    assert told is not None
    return Moment(told.at, f"Handed over to people: {told.reason}", _lines(told.message, told.next_step), tone="bad")
