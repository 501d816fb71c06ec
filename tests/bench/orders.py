"""The order application on this machine: orders a second, their times, the cost of tracing, and what limits them.

All parts run here: PostgreSQL, the Temporal development server, payments, carrier, mail, API and worker. First as many
orders as possible at once, for the throughput; then a steady rate below it, for the times. CPU by process says what
limits the throughput: a process near one core is the limit itself, as Python uses one; else the machine is.

With --temporal postgresql there is one more column, without traces: Temporal's four servers with PostgreSQL behind
them, as manifests/temporal has them.

    python tests/bench/orders.py --orders 500 --seconds 60 --temporal postgresql
"""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("tests", "tests/bench", "examples/orders", "hack/cluster", "hack/telemetry")
sys.path[:0] = [str(ROOT / name) for name in FOLDERS]

from fakes.otlp_receiver import receiving_spans  # noqa: E402
from proc import usage  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from support.temporal_postgresql import TemporalOnPostgreSQL  # noqa: E402

from orderstack.stack import Stack  # noqa: E402
from prunella_orders.load import run as load  # noqa: E402
from prunella_orders.settings import Settings  # noqa: E402

GUIDE = 150_000 / 86_400  # orders a second: those of a day in the guide
SHARE = 0.5  # of the throughput, for the times
WARM_UP = 20  # orders
WITHOUT, TRACED = "without traces", "with traces"
MODES = {WITHOUT: {}, TRACED: {"traced": True}, "PostgreSQL, without traces": {"postgresql": True}}


@dataclass
class Result:
    """One mode: throughput in orders a second, times in seconds, CPU seconds by process for each order."""

    throughput: float
    rate: float
    times: dict[str, float]
    cpu: dict[str, float]
    busy: float
    """Cores that were used on average."""


@dataclass
class System:
    """The whole system, and the id of each of its processes by name."""

    stack: Stack
    pids: dict[str, int]

    def cpu(self):
        """CPU seconds so far, by process with its children."""
        return {name: sum(map(_cpu, _family(pid))) for name, pid in self.pids.items()}


@contextmanager
def system(*, traced=False, postgresql=False):
    """The whole system, with or without traces, with Temporal's development server or one with PostgreSQL."""
    with ExitStack() as stack:
        folder, more = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orders-bench-"))), {}
        if traced:
            more["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.enter_context(receiving_spans()).address
        address, servers = "", {}
        if postgresql:
            temporal = stack.enter_context(TemporalOnPostgreSQL(folder / "temporal").opened())
            address, servers = temporal.settings.temporal_address, temporal.pids
            more["ORDERS_TEMPORAL_NAMESPACE"] = temporal.settings.temporal_namespace
        parts = stack.enter_context(Stack(folder / "logs", temporal=address, more=more))
        yield System(parts, servers | {name: part.pid for name, part in parts.parts.items()})


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


async def play(whole, options, name):
    await send(whole.stack, WARM_UP, 5)
    print(f"{name}: {options.orders} orders at once", flush=True)
    before = whole.cpu()
    burst = await send(whole.stack, options.orders, 1000)
    used = {name: seconds - before[name] for name, seconds in whole.cpu().items()}
    rate = max(SHARE * burst.rate, 0.5)
    print(f"{name}: {burst.rate:.1f} orders a second; now {rate:.1f} for {options.seconds:.0f} s", flush=True)
    steady = await send(whole.stack, rate * options.seconds, rate)
    return Result(
        throughput=burst.rate,
        rate=rate,
        times=steady.times,
        cpu={name: seconds / burst.orders for name, seconds in used.items()},
        busy=sum(used.values()) / burst.times["whole"],
    )


def measure(options, name):
    with system(**MODES[name]) as whole:
        return asyncio.run(play(whole, options, name))


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
    most = {name: max(one.cpu.get(name, 0.0) for one in results.values()) for name in names(results)}
    for name in sorted(most, key=most.get, reverse=True):
        cells = (f"{1000 * one.cpu[name]:.1f} ms/order" if name in one.cpu else "" for one in results.values())
        table.add_row(f"CPU of {name}", *cells)
    Console(width=100).print(table)
    without, traced = (sum(results[name].cpu.values()) for name in (WITHOUT, TRACED))
    cost = f"cost of tracing: {100 * (traced / without - 1):+.0f} % CPU"
    print(f"{cost}; usable cores: {len(os.sched_getaffinity(0))}, of {os.cpu_count()}")


def names(results):
    """All processes of all modes."""
    return dict.fromkeys(name for one in results.values() for name in one.cpu)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=500, help="at once, for the throughput")
    parser.add_argument("--seconds", type=float, default=60, help="of a steady rate, for the times")
    which = "what is behind Temporal: postgresql is measured beside the embedded server, with a first build of minutes"
    parser.add_argument("--temporal", choices=("embedded", "postgresql"), default="embedded", help=which)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: all processes end
    modes = MODES if options.temporal == "postgresql" else (WITHOUT, TRACED)
    with suppress(KeyboardInterrupt):
        show({name: measure(options, name) for name in modes})


if __name__ == "__main__":
    main()
