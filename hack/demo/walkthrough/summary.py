"""The table at the end: each fault, its detection and healing times, and the changes."""

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import phase_text, safe


def summary(incidents: Sequence[Incident]) -> Table:
    """One column per incident: there are two, and terminals may be narrow."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    for _ in incidents:
        table.add_column(overflow="fold")
    for label, render in _ROWS:
        table.add_row(label, *(render(incident) for incident in incidents))
    return table


def links(incidents: Sequence[Incident], settings: Settings) -> list[str]:
    """Temporal's web page for each workflow."""
    flows = [(incident.name, incident.status.workflow) for incident in incidents]
    return [f"{name}: {settings.workflow_url(flow.id, flow.run_id)}" for name, flow in flows if flow]


def _elapsed(field: str) -> Callable[[Incident], Text]:
    """Render the time from the fault to this moment."""

    def render(incident: Incident) -> Text:
        times = incident.status.times
        start, end = times.fault_at or times.detected_at, getattr(times, field)
        return Text(f"{max(0.0, (end - start).total_seconds()):.1f} s" if start and end else "-")

    return render


def _describe_changes(incident: Incident) -> str:
    lines = []
    for attempt in incident.status.attempts:
        values = ", ".join(f"{name} {value}" for name, value in attempt.parameters.items())
        lines.append(f"{attempt.action}: {values}" + (" (undone)" if attempt.undone else ""))
    return "\n".join(lines) or incident.status.message or "nothing"


_ROWS: tuple[tuple[str, Callable[[Incident], Text]], ...] = (
    ("fault", lambda incident: safe(incident.status.root_cause or incident.spec.type, "bold")),
    ("workload", lambda incident: safe(incident.target)),
    ("outcome", phase_text),
    ("detected in", _elapsed("detected_at")),
    ("repaired in", _elapsed("repaired_at")),
    ("healed in", _elapsed("healed_at")),
    ("changes", lambda incident: safe(_describe_changes(incident))),
)
