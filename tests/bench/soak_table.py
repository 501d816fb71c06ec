"""The measurements of `soak.py`: kept as JSON, shown as a table, and judged."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

Sample = dict[str, Any]
"""The figures of one minute; None for what could not be read."""

_COLUMNS = (
    ("minute", "minute"),
    ("faults", "faults"),
    ("open", "open"),
    ("healed", "healed"),
    ("else", "otherwise"),
    ("kept", "kept"),
    ("operator (MiB)", "operator MiB"),
    ("CPU (%)", "operator CPU"),
    ("threads", "operator threads"),
    ("files", "operator files"),
    ("worker (MiB)", "worker MiB"),
    ("CPU (%)", "worker CPU"),
    ("threads", "worker threads"),
    ("files", "worker files"),
    ("Temporal (MiB)", "Temporal MiB"),
    ("etcd (MiB)", "etcd MiB"),
    ("load", "load"),
)
"""The heads of the table's columns, and the figure of a sample that each shows."""


@dataclass
class Soak:
    """One run: what was wanted, the samples, and the end of every fault."""

    wanted: dict[str, float]
    samples: list[Sample] = field(default_factory=list)
    faults: dict[str, Any] = field(default_factory=dict)

    def put(self, file: Path) -> None:
        """Write it to a file, after each sample, so that an interrupted run keeps its figures."""
        file.parent.mkdir(parents=True, exist_ok=True)
        reported = {"verdicts": list(verdicts(self))} | asdict(self)
        file.write_text(json.dumps(reported, indent=1) + "\n")


def table(soak: Soak, every: int) -> Table:
    """A row for each so many minutes, the first and the last; as Markdown, so that it can be kept."""
    found = Table(box=box.MARKDOWN)
    for head, _ in _COLUMNS:
        found.add_column(head, no_wrap=True)
    last = len(soak.samples) - 1
    for number, sample in enumerate(soak.samples):
        if number == last or not round(sample["minute"]) % every:
            found.add_row(*(_text(sample[key]) for _, key in _COLUMNS))
    return found


def _text(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.1f}" if isinstance(value, float) and abs(value) < 1000 else f"{value:.0f}"


def verdicts(soak: Soak) -> list[str]:
    """Verdicts: does memory grow, and did every fault have exactly one healing?"""
    return [*(_growth(soak.samples, who) for who in ("operator", "worker")), _ends(soak.faults)]


def _growth(samples: list[Sample], who: str) -> str:
    half = [sample for sample in samples if sample["minute"] >= samples[-1]["minute"] / 2]
    if len(half) < 3:
        return f"{who}: too short to determine whether its memory grows"
    points = [(sample["minute"], sample[f"{who} MiB"]) for sample in half]
    least, most = min(mib for _, mib in points), max(mib for _, mib in points)
    during = f"over the last {points[-1][0] - points[0][0]:.0f} minutes"
    return f"{who}: {60 * slope(points):+.1f} MiB an hour {during} ({least:.0f} to {most:.0f} MiB)"


def slope(points: list[tuple[float, float]]) -> float:
    """The slope of the least-squares line; 0 if all points have the same x."""
    x0, y0 = (sum(values) / len(points) for values in zip(*points, strict=True))
    square = sum((x - x0) ** 2 for x, _ in points)
    return sum((x - x0) * (y - y0) for x, y in points) / square if square else 0.0


def _ends(faults: dict[str, Any]) -> str:
    if not faults:
        return "faults: their ends are counted at the end"
    named = {key: faults[key] for key in ("lost", "doubled", "not healed")}
    reported = ", ".join(
        f"{len(names)} {key}" + (f" ({' '.join(names[:5])})" if names else "") for key, names in named.items()
    )
    made = f"{faults['made']} of {faults['wanted']} made, {faults['healed']} with one Incident that healed"
    return f"faults: {made}; {reported}"
