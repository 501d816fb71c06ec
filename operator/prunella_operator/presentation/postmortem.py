"""The post-mortem of one incident: sentences, each with the field of the Incident that it rests on. Pure functions."""

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import NamedTuple

from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.html import make_environment
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident_status import Attempt

_TIMES = (
    ("fault_at", "faultAt", "The fault occurred."),
    ("detected_at", "detectedAt", "Prunella detected it."),
    ("started_at", "startedAt", "Its handling began."),
    ("diagnosed_at", "diagnosedAt", "The diagnosis was made."),
    ("repaired_at", "repairedAt", "The last repair was written."),
    ("healed_at", "healedAt", "The workload was healthy again."),
    ("closed_at", "closedAt", "The incident was closed."),
)
_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|!])")


class Statement(NamedTuple):
    """A sentence and the path of the field of the Incident that it rests on, such as `status.evidence[2]`."""

    text: str
    field: str


class Section(NamedTuple):
    """A heading and its statements."""

    title: str
    statements: tuple[Statement, ...]


def postmortem(incident: Incident) -> tuple[Section, ...]:
    """The sections that have something to say, in their order."""
    parts: dict[str, Callable[[Incident], Iterator[Statement]]] = {
        "Summary": _summary,
        "Impact": _impact,
        "Timeline": _timeline,
        "Cause": _cause,
        "What was tried": _tried,
        "What to do": _to_do,
    }
    sections = (Section(title, tuple(part(incident))) for title, part in parts.items())
    return tuple(section for section in sections if section.statements)


def _summary(incident: Incident) -> Iterator[Statement]:
    status = incident.status
    yield from _say(status.fault, "status.fault")
    if status.root_cause:
        yield Statement(f"The root cause is {status.root_cause}.", "status.rootCause")
    yield Statement(f"The incident is {status.phase}.", "status.phase")
    yield from _say(status.message, "status.message")


def _impact(incident: Incident) -> Iterator[Statement]:
    status, times = incident.status, incident.status.times
    yield from _say(status.target and f"{status.target} in namespace {incident.namespace} failed.", "status.target")
    yield Statement(f"Its severity is {incident.spec.severity}.", "spec.severity")
    begin = times.fault_at or times.detected_at
    if begin is not None and times.healed_at is not None:
        lasted = format_duration((times.healed_at - begin).total_seconds())
        yield Statement(f"It lasted {lasted}, until the workload was healthy again.", "status.times.healedAt")


def _timeline(incident: Incident) -> Iterator[Statement]:
    found: list[tuple[datetime, Statement]] = []
    for name, field, text in _TIMES:
        at = getattr(incident.status.times, name)
        if at is not None:
            found.append((at, Statement(f"{_clock(at)}: {text}", f"status.times.{field}")))
    for index, attempt in enumerate(incident.status.attempts):
        if attempt.written_at is not None:
            text = f"{_clock(attempt.written_at)}: Attempt {attempt.number} was written."
            found.append((attempt.written_at, Statement(text, f"status.attempts[{index}].writtenAt")))
    yield from (statement for _, statement in sorted(found, key=lambda pair: pair[0]))


def _cause(incident: Incident) -> Iterator[Statement]:
    status = incident.status
    if status.confidence:
        yield Statement(f"The confidence of the diagnosis is {status.confidence}.", "status.confidence")
    if status.caused_by is not None:
        blamed = status.caused_by
        yield Statement(f"{blamed.target} is to blame: {blamed.message}".rstrip(": "), "status.causedBy")
    for index, note in enumerate(status.evidence):
        yield Statement(f"{note.source}: {note.message}", f"status.evidence[{index}]")


def _tried(incident: Incident) -> Iterator[Statement]:
    for index, attempt in enumerate(incident.status.attempts):
        yield Statement(_describe(attempt), f"status.attempts[{index}]")
    for index, guard in enumerate(incident.status.guards):
        if guard.held:
            yield Statement(
                f"{guard.name} blocked a repair: {guard.message or guard.reason}", f"status.guards[{index}]"
            )
    if incident.status.plan and not incident.status.attempts:
        yield Statement(f"The plan was not carried out: {incident.status.plan}.", "status.plan")


def _describe(attempt: Attempt) -> str:
    values = ", ".join(f"{name} {value}" for name, value in attempt.parameters.items())
    verdict = f"{attempt.verdict}: {attempt.message}".rstrip(": ") if attempt.verdict else "it has no verdict"
    undone = " It was undone." if attempt.undone else ""
    return f"{attempt.action} of {attempt.target} ({values}): {verdict.rstrip('.')}.{undone}"


def _to_do(incident: Incident) -> Iterator[Statement]:
    note = incident.status.escalation
    if note is not None:
        yield from _say(note.message, "status.escalation.message")
        yield from _say(note.next_step, "status.escalation.nextStep")
    if note is None or note.next_step != incident.status.next_step:
        yield from _say(incident.status.next_step, "status.nextStep")


def _say(text: str, field: str) -> Iterator[Statement]:
    if text:
        yield Statement(text, field)


def _clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def to_markdown(incident: Incident) -> str:
    """Markdown; texts from the cluster cannot add any of their own."""
    lines = [f"# Post-mortem of {_escape(f'{incident.namespace}/{incident.name}')}"]
    for section in postmortem(incident):
        lines += ["", f"## {section.title}", ""]
        lines += [f"- {_escape(statement.text)} (`{statement.field}`)" for statement in section.statements]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return _MARKUP.sub(r"\\\1", " ".join(text.split()))


def to_html(incident: Incident) -> str:
    """A page in one file."""
    template = make_environment().get_template("postmortem.html")
    return template.render(name=f"{incident.namespace}/{incident.name}", sections=postmortem(incident))
