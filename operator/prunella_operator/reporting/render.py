"""How `prunella report` prints: text for people, JSON for machines, and a page that is one file."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from prunella_operator.presentation.html import STATIC, templates
from prunella_operator.presentation.terminal import percent, safe, seconds
from prunella_operator.reporting.report import Line, Report
from prunella_operator.reporting.statistics import OUTCOMES, Percentiles

FORMULA = (
    "Hours saved = incidents healed without a person's answer x --manual-minutes / 60: the work that nobody had to do. "
    "What recovered by itself, was approved first, or was handed over counts for nothing."
)
_COLUMNS = ("INCIDENTS", "OPEN", "HEALED", "RECOVERED", "HANDED OVER", "AUTO-REPAIR", "DETECTED", "HEALED IN", "SAVED")


def print_text(report: Report, out: Console) -> None:
    """Print it for people. Times are median / p90."""
    out.print(safe(heading(report), "bold"), soft_wrap=True)
    out.print(_facts(report))
    for title, lines in (("NAMESPACE", report.namespaces), ("CAUSE", report.causes)):
        if lines:
            out.print(Group(Text(""), _table(title, lines)))
    out.print(Text(f"\nTimes are median / p90. {FORMULA}", style="dim"), soft_wrap=True)


def as_json(report: Report) -> str:
    """It for machines: times in seconds, the rate from 0 to 1, moments in ISO 8601."""
    values = asdict(report)
    values.update(since=report.since.isoformat(), until=report.until.isoformat(), formula=report.formula)
    values["reasons"] = dict(report.reasons)
    values["days"] = [{"day": day.day.isoformat(), **day.counts} for day in report.days]
    return json.dumps(values, indent=2)


def as_page(report: Report) -> str:
    """It as an HTML page that needs nothing beside itself."""
    return (
        templates()
        .get_template("report.html")
        .render(
            report=report,
            heading=heading(report),
            outcomes=OUTCOMES,
            formula=FORMULA,
            style=(STATIC / "console.css").read_text(),
            detection=_timed(report.causes, "detection"),
            repair=_timed(report.causes, "repair"),
        )
    )


def heading(report: Report) -> str:
    """What the report is about, in a line."""
    where = f"namespace {report.namespace}" if report.namespace else "all namespaces"
    return f"Prunella from {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC ({report.span}), {where}"


def spread(times: Percentiles) -> str:
    """Median and p90 for people."""
    return f"{seconds(times.median)} / {seconds(times.p90)}"


def _timed(lines: Sequence[Line], which: str) -> list[tuple[str, Percentiles]]:
    found = [(line.name, getattr(line.figures, which)) for line in lines]
    return [(name, times) for name, times in found if times.median is not None]


def _facts(report: Report) -> Table:
    total, made = report.total, report.total.figures
    judged = made.healed + made.handed_over
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons)
    gone = f"; {report.deleted} of them are deleted and known from Temporal" if report.deleted else ""
    rows = (
        ("Incidents", f"{total.incidents} ({made.open} open{gone})"),
        (
            "Auto-repair rate",
            f"{percent(made.auto_repair_rate)} ({made.healed} healed of {judged} that needed a repair)",
        ),
        ("Recovered", f"{made.recovered} by themselves"),
        ("Handed over", f"{made.handed_over}" + (f": {reasons}" if reasons else "")),
        ("Detected in", spread(made.detection)),
        ("Healed in", spread(made.repair)),
        ("Hours saved", f"{total.hours_saved:.1f} = {report.formula}"),
    )
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, safe(value))
    return table


def _table(title: str, lines: Sequence[Line]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1))
    table.add_column(title, overflow="fold")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for line in lines:
        made = line.figures
        counts = (line.incidents, made.open, made.healed, made.recovered, made.handed_over)
        times = (percent(made.auto_repair_rate), spread(made.detection), spread(made.repair))
        table.add_row(safe(line.name), *map(str, counts), *times, f"{line.hours_saved:.1f} h")
    return table
