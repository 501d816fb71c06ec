"""Renderers of `prunella report --shadow`: text for people, and values for machines."""

from dataclasses import asdict
from typing import Any

from rich.console import Console
from rich.table import Table

from prunella_operator.presentation.terminal import safe, seconds
from prunella_operator.reporting.shadow import Score, ShadowReport

_COLUMNS = (
    "INCIDENTS",
    "SAME CHANGE",
    "EARLIER BY",
    "PLAN WRONG",
    "ANOTHER WAY",
    "RECOVERED",
    "WENT ON",
    "DELETED",
    "NOT KNOWN",
    "WAITING",
)


def print_shadow(report: ShadowReport, out: Console) -> None:
    """Print it for people."""
    out.print(safe(report.total.sentence, "bold"), soft_wrap=True)
    if report.planless:
        out.print(safe(f"{report.planless} more showed no plan."), soft_wrap=True)
    if report.workloads:
        out.print(_table(report))


def shadow_values(report: ShadowReport) -> dict[str, Any]:
    """The values for JSON and YAML: durations in seconds."""
    return {**asdict(report), "sentence": report.total.sentence}


def _table(report: ShadowReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(1, 1, 0, 1), collapse_padding=True)
    table.add_column("WORKLOAD", overflow="fold")
    for column in _COLUMNS:
        table.add_column(column, justify="right")
    for line in report.workloads:
        table.add_row(safe(line.name), *_cells(line))
    return table


def _cells(line: Score) -> tuple[str, ...]:
    after = (line.plan_failed, line.another_way, line.recovered, line.persisted, line.deleted, line.not_known)
    return (str(line.incidents), str(line.healed), seconds(line.lead.median), *map(str, (*after, line.waiting)))
