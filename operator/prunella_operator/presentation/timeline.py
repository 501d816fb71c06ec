"""The timeline of one incident, for the terminal and the console. Pure functions."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from prunella_operator.incidents.client import Incident
from prunella_workflows.model.incident_status import Attempt, DeliveryResult, EscalationNote, Phase

GOOD, BAD, WARN = "good", "bad", "warn"
PHASE_TONES = {
    Phase.AWAITING_APPROVAL: WARN,
    Phase.HEALED: GOOD,
    Phase.RECOVERED: GOOD,
    Phase.ESCALATED: BAD,
    Phase.FAILED: BAD,
}
_VERDICT_TONES = {"Healed": GOOD, "NotHealed": BAD, "Worse": BAD, "Inconclusive": WARN}
_LAST = datetime.max.replace(tzinfo=UTC)


class Line(NamedTuple):
    """A detail, with a tone of its own."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Moment:
    """An event: its time (None: unknown), title, details, diff and tone (good, bad, warn or "")."""

    at: datetime | None
    title: str
    lines: tuple[Line, ...] = ()
    diff: str = ""
    tone: str = ""


def timeline(incident: Incident) -> list[Moment]:
    """All moments in chronological order; those without a time come last."""
    return sorted(_moments(incident), key=lambda moment: moment.at or _LAST)


def _moments(incident: Incident) -> Iterator[Moment]:
    status, times, spec = incident.status, incident.status.times, incident.spec
    yield from _detection(incident)
    if times.started_at:
        yield Moment(times.started_at, "Workflow started")
    if times.diagnosed_at or status.evidence:
        yield _diagnosis(incident)
    if status.guards:
        yield _guards(incident)
    if status.plan and not status.attempts:
        yield Moment(times.diagnosed_at, "Plan", _lines(status.plan), status.diff)
    for attempt in status.attempts:
        yield from _attempt(attempt)
    if spec.approval:
        approval = spec.approval
        yield Moment(times.diagnosed_at, f"{approval.decision} by {approval.by or 'someone'}", _lines(approval.reason))
    if times.repaired_at:
        yield Moment(times.repaired_at, "Repaired")
    yield from _outcome(incident)


def _outcome(incident: Incident) -> Iterator[Moment]:
    times, note = incident.status.times, incident.status.escalation
    if times.healed_at:
        yield Moment(times.healed_at, "Healed", tone=GOOD)
    if note:
        yield Moment(note.at, f"Escalated: {note.reason}", tuple(_escalation(note)), tone=BAD)
    if times.closed_at:
        yield Moment(times.closed_at, f"Closed: {incident.phase_label}", tone=PHASE_TONES.get(incident.phase, ""))


def _lines(*texts: str) -> tuple[Line, ...]:
    return tuple(Line(text) for text in texts if text)


def _detection(incident: Incident) -> Iterator[Moment]:
    spec, times = incident.spec, incident.status.times
    fault = incident.status.fault or spec.description
    if times.fault_at:
        yield Moment(times.fault_at, "Fault occurred", _lines(fault))
    else:
        yield Moment(incident.metadata.creation_timestamp, f"Reported as {spec.type}", _lines(fault))
    if times.detected_at:
        description = spec.description if spec.description != fault else ""
        yield Moment(times.detected_at, f"Detected: {spec.type}", _lines(description))


def _diagnosis(incident: Incident) -> Moment:
    status = incident.status
    confidence = f", confidence {status.confidence}" if status.confidence else ""
    title = f"Diagnosed: {status.root_cause or 'no known cause'}{confidence}"
    notes = (f"{note.source}: {note.message}" for note in status.evidence)
    return Moment(status.times.diagnosed_at, title, _lines(*notes))


def _guards(incident: Incident) -> Moment:
    """Each guard that blocked the repair, with its reason; the many others by name."""
    guards = incident.status.guards
    blocked = [Line(f"blocked by {note.name}: {note.message or note.reason}", WARN) for note in guards if note.held]
    passed = ", ".join(note.name for note in guards if not note.held)
    lines = (*blocked, *_lines(passed and f"passed: {passed}"))
    return Moment(incident.status.times.diagnosed_at, "Guards checked", lines, tone=WARN if blocked else "")


def _attempt(attempt: Attempt) -> Iterator[Moment]:
    parameters = ", ".join(f"{name}: {value}" for name, value in attempt.parameters.items())
    undone = (Line("undone: the workload is as its owner left it", WARN),) if attempt.undone else ()
    outcome = (*_lines(attempt.message), *undone)
    title = f"Attempt {attempt.number}: {attempt.action} on {attempt.target}"
    lines = _lines(parameters) + (() if attempt.verdict else outcome)
    yield Moment(attempt.written_at or attempt.started_at, title, lines, attempt.diff)
    if attempt.verdict:
        title = f"Attempt {attempt.number} verified: {attempt.verdict}"
        yield Moment(attempt.finished_at, title, outcome, tone=_VERDICT_TONES.get(attempt.verdict, ""))


def _escalation(note: EscalationNote) -> Iterator[Line]:
    yield from _lines(note.message, note.next_step and f"Next step: {note.next_step}")
    for delivery in note.delivered:
        if delivery.result is DeliveryResult.FAILED:
            yield Line(f"{delivery.result} to {delivery.channel} ({delivery.reason}: {delivery.message})", BAD)
        else:
            yield Line(f"{delivery.result} to {delivery.channel}", GOOD)
    if note.ticket:
        yield Line(f"Ticket {note.ticket.key}: {note.ticket.url}".rstrip(": "))
    if note.ticket_error:
        yield Line(f"Ticket: {note.ticket_error}", BAD)
    if note.acknowledged_by:
        yield Line(f"Acknowledged by {note.acknowledged_by}", GOOD)
    if note.ended:
        yield Line(f"Escalation ended: {note.ended}")
