"""The output of `telemetry.py`: a row for each mode, the first of which is the baseline for the others."""

import json
import os
from statistics import fmean, median

from rich.console import Console
from rich.table import Table


def cost(values, base, *, less_is_worse=False):
    """The extra cost over the same round of the baseline, in percent; the mean of the rounds."""
    pairs = zip(base, values, strict=True) if less_is_worse else zip(values, base, strict=True)
    return f"{100 * (fmean(value / other for value, other in pairs) - 1):+.1f} %" if values else "-"


def middle(values, digits):
    return f"{median(values):.{digits}f}" if values else "-"


def show(results, options, target):
    size = f"{options.healings} healings and {options.seconds:g} s of events"
    table = Table(title=f"{options.rounds} rounds of {size}; medians, and mean costs")
    for column in ("", "healings/s", "cost", "worker CPU ms/healing", "cost", "sensor CPU ms/event", "cost"):
        table.add_column(column, justify="left" if not column else "right")
    base = next(iter(results.values()))
    for mode, result in results.items():
        table.add_row(
            mode,
            middle(result.throughput, 1),
            cost(result.throughput, base.throughput, less_is_worse=True),
            middle(result.worker, 1),
            cost(result.worker, base.worker),
            middle(result.sensor, 3),
            cost(result.sensor, base.sensor),
        )
    Console(width=140).print(table)
    print(f"target: below {target:g} % each; load of the machine: {os.getloadavg()[0]:.1f}")
    print(json.dumps({mode: vars(result) for mode, result in results.items()}))
