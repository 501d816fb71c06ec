"""The rows of `scale.py`: kept in a file, so that an interrupted run goes on, and shown as a table with verdicts."""

import json
from dataclasses import dataclass
from pathlib import Path

AIMS = ((10_000, "operator, quiet (MiB)", 120.0), (50_000, "operator, quiet (MiB)", 200.0), (10_000, "p99 (ms)", 50.0))
"""The number of pods, the figure, and its maximum."""
_OURS = ("source", "whole")
_BESIDE_GO = 20_000  # pods, from which on a fifth of the informer's memory must do


@dataclass(frozen=True)
class Results:
    """All rows that were measured: {pods: {who: {figure: value}}}."""

    file: Path

    def load(self):
        return json.loads(self.file.read_text()) if self.file.exists() else {}

    def get(self, pods, who):
        return self.load().get(str(pods), {}).get(who)

    def put(self, pods, who, row):
        rows = self.load()
        rows.setdefault(str(pods), {})[who] = row
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(rows, indent=1) + "\n")


def markdown(rows):
    """A table for the processes that see pods, another for Prunella as a whole; sizes from small to large."""
    sizes = sorted(rows, key=int)
    seen = [(f"{int(size):,}", who, row) for size in sizes for who, row in rows[size].items() if who != "whole"]
    whole = {f"{int(size):,} pods": rows[size]["whole"] for size in sizes if "whole" in rows[size]}
    return "\n".join([*_by_row(seen), "", *_by_column(whole), "", *(f"- {line}" for line in verdicts(rows))])


def _by_row(rows):
    if not rows:
        return
    names = list(rows[0][2])
    yield "| pods | who | " + " | ".join(names) + " |"
    yield "|---|---|" + "---|" * len(names)
    for size, who, row in rows:
        yield f"| {size} | {who} | " + " | ".join(_text(row.get(name)) for name in names) + " |"


def _by_column(columns):
    if not columns:
        return
    names = list(dict.fromkeys(name for column in columns.values() for name in column))
    yield "| figure | " + " | ".join(columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for name in names:
        yield f"| {name} | " + " | ".join(_text(column.get(name)) for column in columns.values()) + " |"


def _text(value):
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    return "" if value is None else str(value)


def verdicts(rows):
    """Yield each aim and whether it was met, except for figures that were not measured."""
    for pods, figure, most in AIMS:
        for who, row in rows.get(str(pods), {}).items():
            if who in _OURS and figure in row:
                yield f"{pods:,} pods, {who}: {figure} {row[figure]:.0f}, aim {most:.0f}: {_met(row[figure], most)}"
    for size in sorted(rows, key=int):
        if int(size) >= _BESIDE_GO:
            yield from _beside_go(size, rows[size])


def _beside_go(size, row):
    if not {"go", "source"} <= set(row):
        return
    for figure, share in (("memory (MiB)", 5), ("sync (s)", 1)):
        ours, most = row["source"][figure], row["go"][figure] / share
        reported = f"{figure} {ours:.1f}, aim {most:.1f}: {_met(ours, most)}"
        yield f"{int(size):,} pods, source beside the informer: {reported}"


def _met(value, most):
    return "met" if value <= most else f"missed by {value - most:.1f}"
