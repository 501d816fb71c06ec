"""The table at the end: each fault, how quickly it was found and healed, and what was changed."""

from collections.abc import Callable, Sequence

from rich.table import Table
from rich.text import Text

from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import phase_text, safe


def summary(incidents: Sequence[Incident]) -> Table:
    """One column per incident: there are two, and a terminal may be narrow."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    for _ in incidents:
        table.add_column(overflow="fold")
    for label, tell in _ROWS:
        table.add_row(label, *(tell(incident) for incident in incidents))
    return table


def links(incidents: Sequence[Incident], settings: Settings) -> list[str]:
    """Temporal's web page of each workflow."""
    flows = [(incident.name, incident.status.workflow) for incident in incidents]
    return [f"{name}: {settings.workflow_url(flow.id, flow.run_id)}" for name, flow in flows if flow]


def _after(moment: str) -> Callable[[Incident], Text]:
    """How long after the fault something happened."""

    def tell(incident: Incident) -> Text:
        times = incident.status.times
        start, end = times.fault_at or times.detected_at, getattr(times, moment)
        return Text(f"{max(0.0, (end - start).total_seconds()):.1f} s" if start and end else "-")

    return tell


def _changes(incident: Incident) -> str:
    lines = []
    for attempt in incident.status.attempts:
        values = ", ".join(f"{name} {value}" for name, value in attempt.parameters.items())
        lines.append(f"{attempt.action}: {values}" + (" (undone)" if attempt.undone else ""))
    return "\n".join(lines) or incident.status.message or "nothing"


_ROWS: tuple[tuple[str, Callable[[Incident], Text]], ...] = (
    ("fault", lambda one: safe(one.status.root_cause or one.spec.type, "bold")),
    ("workload", lambda one: safe(one.target)),
    ("end", lambda one: phase_text(one.phase)),
    ("detected in", _after("detected_at")),
    ("repaired in", _after("repaired_at")),
    ("healed in", _after("healed_at")),
    ("what was changed", lambda one: safe(_changes(one))),
)
