"""One incident told from its beginning to its end, as `prunella incidents show` prints it."""

from collections.abc import Iterator
from datetime import datetime

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import duration, phase_text, safe
from prunella_workflows.model.incident_status import Attempt, CausedBy, DeliveryResult, EscalationNote, GuardNote

_MOMENTS = (
    ("fault_at", "fault happened"),
    ("detected_at", "detected"),
    ("started_at", "workflow started"),
    ("diagnosed_at", "diagnosed"),
    ("repaired_at", "repaired"),
    ("healed_at", "healed"),
    ("closed_at", "closed"),
)
_VERDICT_STYLE = {"Healed": "green", "NotHealed": "yellow", "Worse": "red", "Inconclusive": "magenta"}


def story(incident: Incident, workflow_url: str) -> Group:
    """The whole story. Parts that have not happened yet are left out."""
    return Group(*_parts(incident, workflow_url))


def _parts(incident: Incident, workflow_url: str) -> Iterator[RenderableType]:
    status = incident.status
    yield Text.assemble((f"{incident.namespace}/{incident.name}", "bold"), "  ", phase_text(incident.phase))
    if status.message:
        yield safe(status.message)
    yield _facts(incident)
    if moments := _moments(incident):
        yield from _section("Timeline", _timeline(moments))
    if status.evidence:
        yield from _section("Evidence", *(safe(f"{note.source}: {note.message}") for note in status.evidence))
    if status.guards:
        yield from _section("Guards", *_guards(status.guards))
    if status.plan and not status.attempts:
        yield from _section("Plan", safe(status.plan), *([diff_text(status.diff)] if status.diff else []))
    for attempt in status.attempts:
        yield from _section(f"Attempt {attempt.number}: {attempt.action} on {attempt.target}", *_attempt(attempt))
    if status.escalation:
        yield from _section("Handed over to people", *_handed_over(status.escalation))
    if status.next_step:
        yield from _section("Next step", safe(status.next_step))
    yield from _links(incident, workflow_url)


def _handed_over(note: EscalationNote) -> Iterator[Text]:
    yield safe(f"{note.reason}: {note.message}")
    if note.next_step:
        yield safe(f"Do next: {note.next_step}")
    for one in note.delivered:
        failed = one.result is DeliveryResult.FAILED
        why = f" ({one.reason}: {one.message})" if failed else ""
        yield safe(f"{one.result} to {one.channel}{why}", "red" if failed else "green")
    if note.ticket:
        yield safe(f"Ticket {note.ticket.key}: {note.ticket.url}".rstrip(": "))
    if note.ticket_error:
        yield safe(f"Ticket: {note.ticket_error}", "red")
    if note.acknowledged_by:
        yield safe(f"{note.acknowledged_by} has taken over", "green")
    if note.ended:
        yield safe(f"Nobody is called any more: {note.ended}")


def _facts(incident: Incident) -> Table:
    spec, status = incident.spec, incident.status
    sure = f" (confidence {status.confidence})" if status.confidence else ""
    approval = spec.approval
    return _pairs(
        ("Target", incident.target),
        ("Seen as", f"{spec.type}, severity {spec.severity}" + (f": {status.fault}" if status.fault else "")),
        ("Diagnosis", f"{status.root_cause}{sure}" if status.root_cause else ""),
        ("Caused by", _cause(status.caused_by)),
        ("Mode", "DryRun: nothing is written" if spec.mode == "DryRun" else ""),
        ("Suspended", "yes; `prunella incidents resume` goes on" if spec.suspend else ""),
        ("Approval", f"{approval.decision} by {approval.by}: {approval.reason}".rstrip(": ") if approval else ""),
        ("Healed in", status.healed_in),
    )


def _cause(cause: CausedBy | None) -> str:
    if cause is None:
        return ""
    return cause.target + (f", see incident {cause.incident}" if cause.incident else "") + f": {cause.message}"


def _pairs(*pairs: tuple[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in pairs:
        if value:
            table.add_row(Text(name, style="dim"), safe(value))
    return table


def _section(title: str, *lines: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield safe(title, "bold")
    yield from (_indented(line) for line in lines)


def _indented(line: RenderableType) -> RenderableType:
    if isinstance(line, Text):  # not Padding: it would fill up the lines with blanks
        return Text("\n").join(Text("  ") + part for part in line.split("\n"))
    return Padding(line, (0, 0, 0, 2), expand=False)


def _moments(incident: Incident) -> list[tuple[datetime, str]]:
    times = incident.status.times.model_dump()
    moments = [(times[field], label) for field, label in _MOMENTS if times[field] is not None]
    for attempt in incident.status.attempts:
        moments.append((attempt.started_at, f"attempt {attempt.number} began: {attempt.action}"))
        if attempt.finished_at:
            moments.append((attempt.finished_at, f"attempt {attempt.number} judged: {attempt.verdict or 'no verdict'}"))
    return sorted(moments, key=lambda moment: moment[0])


def _timeline(moments: list[tuple[datetime, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    first = moments[0][0]
    for at, label in moments:
        table.add_row(f"{at:%Y-%m-%d %H:%M:%S}Z", Text(f"+{duration(at - first)}", style="dim"), safe(label))
    return table


def _guards(notes: tuple[GuardNote, ...]) -> Iterator[Text]:
    """Each that held the repair back with its reason; the others by name, for they are many."""
    for note in notes:
        if note.held:
            yield Text("held back by ", style="yellow") + safe(f"{note.name}: {note.message or note.reason}")
    passed = ", ".join(note.name for note in notes if not note.held)
    if passed:
        yield Text("passed: ", style="green") + safe(passed)


def _attempt(attempt: Attempt) -> Iterator[RenderableType]:
    parameters = ", ".join(f"{name}: {value}" for name, value in attempt.parameters.items())
    if parameters:
        yield safe(parameters)
    if attempt.diff:
        yield diff_text(attempt.diff)
    if attempt.verdict:
        yield safe(attempt.verdict, _VERDICT_STYLE.get(attempt.verdict, "")) + safe(
            f": {attempt.message}" if attempt.message else ""
        )
    elif attempt.message:
        yield safe(attempt.message)
    if attempt.undone:
        yield Text("undone: the workload is again as its owner left it", style="yellow")


def diff_text(diff: str) -> Text:
    """A unified diff in the usual colours."""
    styles = {"+": "green", "-": "red", "@": "cyan"}
    return Text("\n").join(safe(line, styles.get(line[:1], "")) for line in diff.strip("\n").splitlines())


def _links(incident: Incident, workflow_url: str) -> Iterator[RenderableType]:
    workflow, trace = incident.status.workflow, incident.status.trace_id
    pairs = (("Workflow", workflow.id if workflow else ""), ("Temporal", workflow_url), ("Trace", trace))
    if any(value for _, value in pairs):
        yield Text()
        yield _pairs(*pairs)
