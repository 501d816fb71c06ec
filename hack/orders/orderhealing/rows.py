"""The table: one row for each fault, kept in a file so that an interrupted run can go on."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

RECOVERY_SECONDS, P99_SECONDS = 300.0, 3.0
"""The targets: from a fault to its end, and for an order outside of faults."""


@dataclass(frozen=True)
class Row:
    """The end of one fault. Times are seconds since it began; None: that did not happen.

    `over`: the repair is proven or, where a person is needed, the incident is escalated.
    """

    fault: str
    ended: str
    as_it_should: bool
    detected: float | None
    repaired: float | None
    over: float | None
    in_flight: int
    lost: int
    longest: float
    p99: float
    errors: tuple[str, ...]
    innocents: tuple[str, ...]
    """Deployments that were changed, or whose pods were restarted or deleted, though they had nothing to do with it."""

    @property
    def is_right(self) -> bool:
        """True if the fault ended as it should, and cost nothing: no order, no money, no pod of others."""
        return self.as_it_should and not (self.lost or self.errors or self.innocents)


def load(path: Path) -> dict[str, Row]:
    """The rows of a file, by fault; none without it."""
    found = json.loads(path.read_text()) if path.exists() else []
    return {
        one["fault"]: Row(**{**one, "errors": tuple(one["errors"]), "innocents": tuple(one["innocents"])})
        for one in found
    }


def save(path: Path, rows: Mapping[str, Row]) -> None:
    """Write the rows."""
    path.write_text(json.dumps([asdict(row) for row in rows.values()], indent=2) + "\n")


def table(rows: Mapping[str, Row]) -> Table:
    """One column for each fault: there are four, and terminals may be narrow. What misses its target is red."""
    found = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    found.add_column("fault", style="dim", no_wrap=True)
    for row in rows.values():
        found.add_column(row.fault, overflow="fold")
    lines = zip(*map(_cells, rows.values()), strict=True)
    for title, cells in zip(_TITLES, lines, strict=True):
        found.add_row(title, *cells)
    return found


_TITLES = (
    "ended", "detected after", "repaired after", "over after", "orders in flight", "orders lost",
    "longest order", "P99 outside the fault", "books", "innocents touched",
)  # fmt: skip


def _cells(row: Row) -> tuple[Text, ...]:
    return (
        _judged(row.ended, good=row.as_it_should),
        Text(_seconds(row.detected)),
        Text(_seconds(row.repaired)),
        _judged(_seconds(row.over), good=row.over is not None and row.over < RECOVERY_SECONDS),
        Text(str(row.in_flight)),
        _judged(str(row.lost), good=not row.lost),
        Text(_seconds(row.longest)),
        _judged(_seconds(row.p99), good=row.p99 < P99_SECONDS),
        _judged(f"{len(row.errors)} errors" if row.errors else "right", good=not row.errors),
        _judged(", ".join(row.innocents) or "none", good=not row.innocents),
    )


def _judged(text: str, *, good: bool) -> Text:
    return Text(text, style="green" if good else "bold red")


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
