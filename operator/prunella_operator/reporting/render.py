"""Renderers of `prunella report`: text for people, values for programs, and a self-contained HTML page."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from prunella_operator.presentation.html import STATIC, make_environment
from prunella_operator.presentation.terminal import percent, safe, seconds
from prunella_operator.reporting.report import Line, Report
from prunella_operator.reporting.statistics import OUTCOMES, Percentiles

FORMULA = (
    "Hours saved = incidents healed without approval x --manual-minutes / 60. "
    "Incidents that recovered without a repair, were approved first, or were escalated do not count."
)
_COLUMNS = ("INCIDENTS", "OPEN", "HEALED", "RECOVERED", "ESCALATED", "AUTO-REPAIR", "DETECTED", "HEALED IN", "SAVED")


def print_text(report: Report, out: Console) -> None:
    """Print it for people. Times are median / p90."""
    out.print(safe(heading(report), "bold"), soft_wrap=True)
    out.print(_facts(report))
    for title, lines in (("NAMESPACE", report.namespaces), ("CAUSE", report.causes)):
        if lines:
            out.print(Group(Text(""), _table(title, lines)))
    out.print(Text(f"\nTimes are median / p90. {FORMULA}", style="dim"), soft_wrap=True)


def to_values(report: Report) -> dict[str, Any]:
    """The values for programs: durations in seconds, the rate from 0 to 1, times in ISO 8601."""
    values = asdict(report)
    values.update(since=report.since.isoformat(), until=report.until.isoformat(), formula=report.formula)
    values["reasons"] = dict(report.reasons)
    values["days"] = [{"day": day.day.isoformat(), **day.counts} for day in report.days]
    return values


def to_html(report: Report) -> str:
    """An HTML page that loads nothing."""
    template = make_environment().get_template("report.html")
    return template.render(
        report=report,
        heading=heading(report),
        outcomes=OUTCOMES,
        formula=FORMULA,
        style=(STATIC / "console.css").read_text(),
        detection=_known_times(report.causes, "detection"),
        repair=_known_times(report.causes, "repair"),
    )


def heading(report: Report) -> str:
    """Period and scope of the report, in one line."""
    where = f"namespace {report.namespace}" if report.namespace else "all namespaces"
    return f"Prunella from {report.since:%Y-%m-%d %H:%M} to {report.until:%Y-%m-%d %H:%M} UTC ({report.span}), {where}"


def _known_times(lines: Sequence[Line], field: str) -> list[tuple[str, Percentiles]]:
    rows = [(line.name, getattr(line.stats, field)) for line in lines]
    return [(name, times) for name, times in rows if times.median is not None]


def _facts(report: Report) -> Table:
    total, stats = report.total, report.total.stats
    repairable = stats.healed + stats.escalated
    rate = f"{percent(stats.auto_repair_rate)} ({stats.healed} healed of {repairable} that needed a repair)"
    reasons = ", ".join(f"{reason} {count}" for reason, count in report.reasons)
    deleted = f"; {report.deleted} of them deleted, read from Temporal" if report.deleted else ""
    unproven = f"{stats.unproven} served by pods from before the repair only; the cause is not proven"
    rows = (
        ("Incidents", f"{total.incidents} ({stats.open} open{deleted})"),
        ("Auto-repair rate", rate),
        ("Not proven", unproven),
        ("Recovered", f"{stats.recovered} without a repair"),
        ("Escalated", f"{stats.escalated}" + (f": {reasons}" if reasons else "")),
        ("Detected in", _format(stats.detection)),
        ("Healed in", _format(stats.repair)),
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
        stats = line.stats
        counts = (line.incidents, stats.open, stats.healed, stats.recovered, stats.escalated)
        times = (percent(stats.auto_repair_rate), _format(stats.detection), _format(stats.repair))
        table.add_row(safe(line.name), *map(str, counts), *times, f"{line.hours_saved:.1f} h")
    return table


def _format(times: Percentiles) -> str:
    return f"{seconds(times.median)} / {seconds(times.p90)}"
