"""The table at the end: each fault, how quickly it was found and healed, and what was changed."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table

from prunella_operator.incidents import Incident
from prunella_operator.settings import Settings
from prunella_operator.terminal import phase_text, safe


def summary(incidents: Sequence[Incident]) -> Table:
    """One row per incident."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 1, 0))
    for column in ("FAULT", "END", "DETECTED IN", "REPAIRED IN", "HEALED IN", "WHAT WAS CHANGED"):
        table.add_column(column, overflow="fold")
    for one in incidents:
        times = one.status.times
        start = times.fault_at or times.detected_at
        spans = (_span(start, end) for end in (times.detected_at, times.repaired_at, times.healed_at))
        fault = f"{one.status.root_cause or one.spec.type}\n{one.target}"
        table.add_row(safe(fault), phase_text(one.phase), *map(safe, spans), safe(_changes(one)))
    return table


def links(incidents: Sequence[Incident], settings: Settings) -> list[str]:
    """Temporal's web page of each workflow."""
    flows = [(one.name, one.status.workflow) for one in incidents]
    return [f"{name}: {settings.workflow_url(flow.id, flow.run_id)}" for name, flow in flows if flow]


def _span(start: datetime | None, end: datetime | None) -> str:
    return f"{max(0.0, (end - start).total_seconds()):.1f} s" if start and end else "-"


def _changes(one: Incident) -> str:
    lines = []
    for attempt in one.status.attempts:
        values = ", ".join(f"{name} {value}" for name, value in attempt.parameters.items())
        lines.append(f"{attempt.action}: {values}" + (" (undone)" if attempt.undone else ""))
    return "\n".join(lines) or one.status.message or "nothing"
