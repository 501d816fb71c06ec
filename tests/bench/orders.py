"""The order application on this machine: orders a second, their times, the cost of tracing, and what limits them.

All parts run here: PostgreSQL, the Temporal development server, payments, carrier, mail, API and worker. First as many
orders as possible at once, for the throughput; then a steady rate below it, for the times. CPU by process says what
limits the throughput: a process near one core is the limit itself, as Python uses one; else the machine is.

    python tests/bench/orders.py --orders 500 --seconds 60
"""

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "tests/bench", "examples/orders", "hack/cluster", "hack/telemetry")
sys.path[:0] = [str(ROOT / name) for name in FOLDERS]

from fakes.otlp_receiver import receiving_spans  # noqa: E402
from proc import usage  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from orderstack.stack import Stack  # noqa: E402
from prunella_orders.load import run as load  # noqa: E402
from prunella_orders.settings import Settings  # noqa: E402

GUIDE = 150_000 / 86_400  # orders a second: those of a day in the guide
SHARE = 0.5  # of the throughput, for the times
WARM_UP = 20  # orders


@dataclass
class Result:
    """One mode: throughput in orders a second, times in seconds, CPU seconds by process for each order."""

    throughput: float
    rate: float
    times: dict[str, float]
    cpu: dict[str, float]
    busy: float
    """Cores that were used on average."""


@contextmanager
def system(traced):
    """The whole system, with or without traces."""
    with receiving_spans() as spans, tempfile.TemporaryDirectory(prefix="orders-bench-") as logs:
        more = {"OTEL_EXPORTER_OTLP_ENDPOINT": spans.address} if traced else {}
        with Stack(Path(logs), more=more) as stack:
            yield stack


def cpu(stack):
    """CPU seconds so far, by process with its children."""
    return {name: sum(map(_cpu, _family(part.pid))) for name, part in stack.parts.items()}


def _family(pid):
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *map(int, children)]


def _cpu(pid):
    with suppress(FileNotFoundError):  # a process of PostgreSQL may end just now
        return usage(pid).cpu
    return 0.0


async def send(stack, orders, rate):
    settings = Settings(database_url=stack.database_url, payments_url=stack.payments.url, carrier_url=stack.carrier.url)
    outcome = await load.run(settings, load.Options(stack.api.url, rate, orders / rate))
    assert outcome.is_right, outcome.audit.errors
    return outcome


async def measure(traced, options):
    with system(traced) as stack:
        await send(stack, WARM_UP, 5)
        before = cpu(stack)
        burst = await send(stack, options.orders, 1000)
        used = {name: seconds - before[name] for name, seconds in cpu(stack).items()}
        rate = max(SHARE * burst.rate, 0.5)
        steady = await send(stack, rate * options.seconds, rate)
    return Result(
        throughput=burst.rate,
        rate=rate,
        times=steady.times,
        cpu={name: seconds / burst.orders for name, seconds in used.items()},
        busy=sum(used.values()) / burst.times["whole"],
    )


def show(results):
    table = Table("", *results, title="The order application on one machine")
    for name, row in {
        "orders a second": [f"{one.throughput:.1f}" for one in results.values()],
        "times the guide's rate": [f"{one.throughput / GUIDE:.1f}" for one in results.values()],
        "P50 at half of it": [f"{one.times['p50']:.2f} s" for one in results.values()],
        "P99 at half of it": [f"{one.times['p99']:.2f} s" for one in results.values()],
        "cores used": [f"{one.busy:.2f}" for one in results.values()],
    }.items():
        table.add_row(name, *row)
    first, *_ = results.values()
    for name in sorted(first.cpu, key=first.cpu.get, reverse=True):
        table.add_row(f"CPU of {name}", *(f"{1000 * one.cpu[name]:.1f} ms/order" for one in results.values()))
    Console(width=100).print(table)
    without, traced = results.values()
    cost = sum(traced.cpu.values()) / sum(without.cpu.values()) - 1
    print(
        f"cost of tracing: {100 * cost:+.0f} % CPU; usable cores: {len(os.sched_getaffinity(0))}, of {os.cpu_count()}"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=500, help="at once, for the throughput")
    parser.add_argument("--seconds", type=float, default=60, help="of a steady rate, for the times")
    options = parser.parse_args()
    with suppress(KeyboardInterrupt):
        show({
            "without traces": asyncio.run(measure(False, options)),
            "with traces": asyncio.run(measure(True, options)),
        })  # fmt: skip


if __name__ == "__main__":
    main()
