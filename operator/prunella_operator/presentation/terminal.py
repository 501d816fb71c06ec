"""Consoles, colours and the table of incidents. Texts from a cluster cannot forge colours or move the cursor."""

import re
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from prunella_operator.incidents.client import Incident, Listed
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import HEAL

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_PIPE_WIDTH = 10_000  # lines for programs are never wrapped
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_NOTHING = "-"
_TENTHS_BELOW_SECONDS = 10
_SMALLER_UNIT_BELOW = 2  # 90m is more precise than 1h

PHASE_STYLE = {
    Phase.PENDING: "dim",
    Phase.CONFIRMING: "cyan",
    Phase.DIAGNOSING: "cyan",
    Phase.AWAITING_APPROVAL: "bold yellow",
    Phase.REPAIRING: "blue",
    Phase.VERIFYING: "blue",
    Phase.HEALED: "bold green",
    Phase.RECOVERED: "green",
    Phase.ESCALATED: "bold red",
    Phase.DRY_RUN_DONE: "magenta",
    Phase.SUPPRESSED: "dim",
    Phase.CANCELLED: "dim",
    Phase.FAILED: "bold red",
}

NO_INCIDENTS = f"""No incidents{{where}}: either nothing is broken, or Prunella is not watching.
Prunella opens an incident when a pod of a watched workload fails (`prunella doctor` checks whether it can), and
repairs the workload where a HealingPolicy or the label {HEAL}=enabled on the namespace allows that.
To open one yourself: kubectl create -f - with kind: Incident, spec.target and spec.type."""


def console(stream: TextIO | None = None) -> Console:
    """A console for `stream` (default stdout): colours and redrawing on a terminal, whole plain lines elsewhere."""
    out = stream or sys.stdout
    if out.isatty():
        return Console(file=out, highlight=False)
    return Console(file=out, highlight=False, no_color=True, width=_PIPE_WIDTH, force_terminal=False)


def safe(text: str, style: str = "") -> Text:
    """Text from outside, without control characters and markup."""
    return Text(_CONTROL.sub("�", text.replace("\r\n", "\n")), style=style)


def phase_text(incident: Listed) -> Text:
    """The phase of an incident in its colour."""
    return Text(incident.phase_label, style=PHASE_STYLE[incident.phase])


def age(since: datetime, now: datetime) -> str:
    """The time since then, formatted like kubectl: 45s, 3m, 90m, 5h, 2d."""
    return duration(now - since)


def duration(span: timedelta) -> str:
    """A time span in its largest fitting unit."""
    seconds = max(0, int(span.total_seconds()))
    for unit, size in _UNITS:
        if seconds >= (_SMALLER_UNIT_BELOW * size if size > 1 else 0):
            return f"{seconds // size}{unit}"
    return "0s"


def seconds(value: float | None) -> str:
    """Seconds, formatted for people; a dash for None."""
    return _NOTHING if value is None else f"{value:.1f}s" if value < _TENTHS_BELOW_SECONDS else format_duration(value)


def percent(value: float | None) -> str:
    """A ratio as a percentage; a dash for None."""
    return _NOTHING if value is None else f"{100 * value:.0f} %"


def incident_table(incidents: Sequence[Listed], now: datetime, namespaces: bool, width: int = _PIPE_WIDTH) -> Table:
    """The table of `prunella incidents list`. A narrow terminal gets fewer columns instead of wrapped ones."""
    rows = [_cells(incident, now) for incident in incidents]
    columns = _columns(rows, namespaces)
    for dispensable in ("ACTION", "CAUSE", "HEALED IN"):
        if columns and _width(columns, rows) > width:
            columns.remove(dispensable)
    return _table(columns, rows)


def wide_incident_table(incidents: Sequence[Incident], now: datetime, namespaces: bool) -> Table:
    """The same with the columns that `kubectl get -o wide` adds; none is left out."""
    rows = [_cells(incident, now) | _wide_cells(incident) for incident in incidents]
    return _table(_columns(rows, namespaces), rows)


def _columns(rows: Sequence[dict[str, Text]], namespaces: bool) -> list[str]:
    return [name for name in rows[0] if namespaces or name != "NAMESPACE"] if rows else []


def _table(columns: Sequence[str], rows: Sequence[dict[str, Text]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    return table


def _width(columns: Sequence[str], rows: Sequence[dict[str, Text]]) -> int:
    return sum(max(len(name), *(row[name].cell_len for row in rows)) + 2 for name in columns) - 2


def _cells(incident: Listed, now: datetime) -> dict[str, Text]:
    status = incident.status
    return {
        "NAMESPACE": safe(incident.namespace),
        "NAME": safe(incident.name),
        "PHASE": phase_text(incident),
        "CAUSE": safe(status.root_cause),
        "TARGET": safe(incident.target),
        "ACTION": safe(status.action),
        "AGE": Text(age(incident.metadata.creation_timestamp, now)),
        "HEALED IN": safe(status.healed_in),
    }


def _wide_cells(incident: Incident) -> dict[str, Text]:
    status, detected = incident.status, incident.status.times.detected_at
    return {
        "SEVERITY": safe(incident.spec.severity.value),
        "REASON": safe(status.reason),
        "DETECTED": Text(f"{detected:%Y-%m-%dT%H:%M:%SZ}" if detected else ""),
        "WORKFLOW": safe(status.workflow.id if status.workflow else ""),
        "TRACE": safe(status.trace_id),
    }


def change_line(incident: Listed) -> str:
    """One line per change, for logs and pipes: incident, phase, target, details."""
    status = incident.status
    healed = status.healed_in and f"healed in {status.healed_in}"
    facts = (status.root_cause, status.action, healed, status.message)
    start = f"{incident.namespace}/{incident.name} {incident.phase_label} {incident.target}"
    return " | ".join((start, *filter(None, facts)))
