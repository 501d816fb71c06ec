"""One incident as `prunella incidents show` prints it."""

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import duration, phase_text, safe
from prunella_operator.presentation.timeline import BAD, GOOD, WARN, Moment, timeline
from prunella_workflows.model.incident_status import CausedBy

_STYLES = {GOOD: "green", BAD: "red", WARN: "yellow", "": ""}
_DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def render_incident(incident: Incident, workflow_url: str) -> Group:
    """The full history. Omits what has not happened yet."""
    return Group(*_parts(incident, workflow_url))


def _parts(incident: Incident, workflow_url: str) -> Iterator[RenderableType]:
    status = incident.status
    yield Text.assemble((f"{incident.namespace}/{incident.name}", "bold"), "  ", phase_text(incident))
    if status.message:
        yield safe(status.message)
    yield _facts(incident)
    moments = timeline(incident)
    if len(moments) > 1:
        yield from _section(Text("Timeline", style="bold"), _table(moments))
    for moment in moments:
        if moment.lines or moment.diff:
            yield from _section(safe(moment.title, f"bold {_STYLES[moment.tone]}".rstrip()), *_details(moment))
    if status.next_step:
        yield from _section(Text("Next step", style="bold"), safe(status.next_step))
    yield from _links(incident, workflow_url)


def _facts(incident: Incident) -> Table:
    spec, status = incident.spec, incident.status
    confidence = f" (confidence {status.confidence})" if status.confidence else ""
    approval = spec.approval
    return _pairs(
        ("Target", incident.target),
        ("Seen as", f"{spec.type}, severity {spec.severity}"),
        ("Diagnosis", f"{status.root_cause}{confidence}" if status.root_cause else ""),
        ("Caused by", _describe_cause(status.caused_by)),
        ("Mode", "DryRun: nothing is written" if spec.mode == "DryRun" else ""),
        ("Suspended", "yes; resume with `prunella incidents resume`" if spec.suspend else ""),
        ("Approval", f"{approval.decision} by {approval.by}: {approval.reason}".rstrip(": ") if approval else ""),
        ("Autonomy", f"{status.autonomy.level}: {status.autonomy.message}" if status.autonomy else ""),
        ("Healed in", status.healed_in),
        ("Afterwards", status.aftermath.message if status.aftermath else ""),
    )


def _describe_cause(cause: CausedBy | None) -> str:
    if cause is None:
        return ""
    return cause.target + (f", see incident {cause.incident}" if cause.incident else "") + f": {cause.message}"


def _pairs(*pairs: tuple[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, value in pairs:
        if value:
            table.add_row(Text(name, style="dim"), safe(value))
    return table


def _section(title: Text, *lines: RenderableType) -> Iterator[RenderableType]:
    yield Text()
    yield title
    yield from map(_indent, lines)


def _indent(line: RenderableType) -> RenderableType:
    if isinstance(line, Text):  # not Padding: it would pad the lines with trailing blanks
        return Text("\n").join(Text("  ") + part for part in line.split("\n"))
    return Padding(line, (0, 0, 0, 2), expand=False)


def _table(moments: Sequence[Moment]) -> Table:
    table = Table.grid(padding=(0, 2))
    first = moments[0].at
    for moment in moments:
        at = f"{moment.at:%Y-%m-%d %H:%M:%S}Z" if moment.at else ""
        offset = f"+{duration(moment.at - first)}" if moment.at and first else ""
        table.add_row(at, Text(offset, style="dim"), safe(moment.title, _STYLES[moment.tone]))
    return table


def _details(moment: Moment) -> Iterator[Text]:
    for line in moment.lines:
        yield safe(line.text, _STYLES[line.tone])
    if moment.diff:
        lines = moment.diff.strip("\n").splitlines()
        yield Text("\n").join(safe(line, _DIFF_STYLES.get(line[:1], "")) for line in lines)


def _links(incident: Incident, workflow_url: str) -> Iterator[RenderableType]:
    workflow, trace = incident.status.workflow, incident.status.trace_id
    pairs = (("Workflow", workflow.id if workflow else ""), ("Temporal", workflow_url), ("Trace", trace))
    if any(value for _, value in pairs):
        yield Text()
        yield _pairs(*pairs)
