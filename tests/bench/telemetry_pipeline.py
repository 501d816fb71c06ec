"""The cost of the telemetry pipeline, per CPU second of its worker, and the time from a fault to its alert.

Parts, each alone with --only:
  steps     traces, metrics and logs from records in memory to rows, in this process
  whole     Collector, Kafka, Temporal, the command `prunella telemetry worker` and PostgreSQL: spans keyed by trace and
            not, with carry, detection, origin and dashboard on; afterwards the worker without any load.
            Beside it the baseline reads the same topics with upb and plain Python, and stores nothing
  growth    the same with 1, 2 and 4 partitions, shards and workers
  delay     faults of 20 % errors, one shop after another, from the first bad request to the alert's workflow

CPU is the process's own and the figure to go by on a busy machine; wall times are the machine's too.

    python tests/bench/telemetry_pipeline.py --seconds 150
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import quantiles

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), *(str(ROOT / "hack" / name) for name in ("telemetry", "cluster", "demo"))]

from otlpload.faults import Fault, FaultKind  # noqa: E402
from otlpload.generator import Generator  # noqa: E402
from otlpload.sender import Sender  # noqa: E402
from otlpload.shop import Shop  # noqa: E402
from proc import load, usage  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from telemetry_pipeline_parts import LEARN_SECONDS, by_trace, generate, stack, walk  # noqa: E402
from telemetrydemo.load import now  # noqa: E402

from prunella_operator.telemetry.processing.records import Records  # noqa: E402
from prunella_operator.telemetry.processing.signals import process  # noqa: E402
from prunella_operator.temporal.client import connect  # noqa: E402
from prunella_workflows.contracts.telemetry import TelemetrySignal  # noqa: E402

PARTS = ("steps", "whole", "growth", "delay")
AIMS = {
    "traces, by trace": "", "traces": "", "metrics": "1,000,000", "logs": "1,000,000", "keyed by trace": "200,000",
    "not keyed": "350,000",
}  # fmt: skip
SPEED = 40.0
BROKEN = {"payment": 3, "catalog": 29}
"""The services that get a fault by turns, with their requests per second."""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure these alone")
    parser.add_argument("--seconds", type=int, default=150, help="seconds of load, of about 3,800 items each")
    parser.add_argument("--idle", type=int, default=60, help="seconds without load")
    parser.add_argument("--faults", type=int, default=12, help="faults whose delay is measured")
    options = parser.parse_args()
    found = {part: MEASURES[part](options) for part in PARTS if part in options.only}
    print(f"load of the machine: {load():.1f}")
    print(json.dumps(found))


def measure_steps(options):
    data = generate(options.seconds // 2, now() - options.seconds // 2)
    inputs = {
        "traces, by trace": (TelemetrySignal.TRACES, by_trace(data.traces)),
        "traces": (TelemetrySignal.TRACES, data.traces),
        "metrics": (TelemetrySignal.METRICS, data.metrics),
        "logs": (TelemetrySignal.LOGS, data.logs),
    }
    rates = {name: _step(signal, requests) for name, (signal, requests) in inputs.items()}
    _show("Steps, items per CPU second", ("step", "items", "items/s", "aim"), [
        (name, f"{items:,}", f"{rate:,.0f}", AIMS[name]) for name, (items, rate) in rates.items()
    ])  # fmt: skip
    return {name: rate for name, (_, rate) in rates.items()}


def _step(signal, requests):
    """The number of items and the best of three rates."""
    values, number = [one.SerializeToString() for one in requests], len(requests)
    records = Records("topic", values, [now() * 10**9] * number, [0] * number, list(range(number)))
    best, items = 0.0, 0
    for _ in range(3):
        began = time.process_time()
        items = process(signal, iter([records]), 0).counts.items
        best = max(best, items / (time.process_time() - began))
    return items, best


def measure_whole(options):
    found = {}
    for name, keyed in (("keyed by trace", True), ("not keyed", False)):
        with tempfile.TemporaryDirectory() as folder, stack(Path(folder), keyed=keyed) as parts:
            found[name] = _whole(parts, options, workers=1)
            items, seconds = walk(parts.broker.address, 4)
            found[name]["baseline"] = items / seconds
    columns = ("", "items", "items/CPU s", "aim", "baseline", "peak RSS MiB", "idle % of a core", "batches", "sums")
    _show("The whole worker", columns, [
        (name, f"{one['items']:,}", f"{one['rate']:,.0f}", AIMS[name], f"{one['baseline']:,.0f}", f"{one['rss']:.0f}",
         f"{one['idle']:.1f}", str(one["batches"]), one["sums"])
        for name, one in found.items()
    ])  # fmt: skip
    return found


def measure_growth(options):
    """Each row is shown once it is measured: a run that is cut off keeps those before."""
    found, columns = {}, ("items/CPU s", "items/s of wall time", "sums")
    for number in (1, 2, 4):
        size = {"partitions": number, "shards": number}
        with tempfile.TemporaryDirectory() as folder, stack(Path(folder), keyed=True, **size) as parts:
            one = _whole(parts, argparse.Namespace(seconds=options.seconds, idle=0), workers=number)
        _show(f"Growth, keyed by trace: {number} partitions, shards and workers", columns, [
            (f"{one['rate']:,.0f}", f"{one['items'] / one['wall']:,.0f}", one["sums"]),
        ])  # fmt: skip
        found[number] = one
    return found


def _whole(parts, options, workers):
    """Warm the workers up, send the load at once, and wait until it is stored."""
    running, sender = [parts.work() for _ in range(workers)], Sender(parts.collector.address)
    warm = generate(5, now() - 5 - options.seconds)
    _send(sender, warm)
    parts.wait(warm.totals.items)
    data = generate(options.seconds, now() - options.seconds)
    before, began = sum(usage(one.pid).cpu for one in running), time.monotonic()
    _send(sender, data)
    total = warm.totals + data.totals
    parts.wait(total.items)
    wall, cpu = time.monotonic() - began, sum(usage(one.pid).cpu for one in running) - before
    peak = max(usage(one.pid).peak for one in running)
    time.sleep(5)  # the last dashboard
    sums = parts.sums()
    idle = _idle(running[0].pid, options.idle) if options.idle else 0.0
    sender.close()
    expected = {
        "requests": total.requests.total(), "edges": total.edges.total(), "points": total.points, "logs": total.logs,
    }  # fmt: skip
    print(f"sums {sums}, sent {expected}", file=sys.stderr)
    batches = int(parts.database.ask("SELECT count(*) FROM telemetry_batch")[0][0])
    return {
        "items": data.totals.items, "rate": data.totals.items / cpu, "wall": wall, "rss": peak, "idle": idle,
        "batches": batches, "sums": "equal" if sums == expected else "DIFFERENT",
    }  # fmt: skip


def _send(sender, data):
    for request in data.requests:
        sender.send(request)


def _idle(pid, seconds):
    """The share of a core, in percent."""
    before = usage(pid).cpu
    time.sleep(seconds)
    return 100 * (usage(pid).cpu - before) / seconds


def measure_delay(options):
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder), keyed=True) as parts:
        parts.work()
        delays = _delays(parts, options.faults)
    columns = ("service", "requests a second", "faults", "alerts", "p50 s", "aim", "p90 s", "aim")
    _show("From a fault of 20 % errors to its alert", columns, [
        (service, str(BROKEN[service]), *_spread(found)) for service, found in delays.items()
    ])  # fmt: skip
    return {"delays": delays}


def _spread(delays):
    alerts = [one for one in delays if one is not None]
    p50, p90 = (quantiles(alerts, n=10, method="inclusive")[tenth] for tenth in (4, 8)) if len(alerts) > 1 else (0, 0)
    return str(len(delays)), str(len(alerts)), f"{p50:.0f}", "30", f"{p90:.0f}", "60"


def _delays(parts, faults):
    """Teach so many shops, break one after the other, and wait for the alerts of each; delays by broken service."""
    shops = [Generator(Shop(f"shop{number}", f"s{number}-"), 20, number) for number in range(faults)]
    sender, next_ = Sender(parts.collector.address), now() - LEARN_SECONDS
    begun, faulty = {}, 0

    def second():
        nonlocal next_
        for shop in shops:
            for request in shop.second(next_).requests:
                sender.send(request)
        next_ += 1

    while next_ < now():
        began = time.monotonic()
        second()
        time.sleep(max(0.0, 1 / SPEED - (time.monotonic() - began)))
    broken_at = now() + 20
    while faulty < faults or now() < broken_at + 120:
        if faulty < faults and now() >= broken_at:
            shops[faulty].switch_on(Fault(FaultKind.ERRORS, _broken(faulty), share=0.2))
            begun[f"shop{faulty}"] = next_
            faulty, broken_at = faulty + 1, now() + 13  # no multiple of a window
        while next_ < now():
            second()
        time.sleep(0.1)
    sender.close()
    first = asyncio.run(_first_alerts(parts))
    delays = {service: [] for service in BROKEN}
    for number, (name, at) in enumerate(begun.items()):
        delays[_broken(number)].append(first[name] - at if name in first else None)
    return delays


def _broken(number):
    return list(BROKEN)[number % len(BROKEN)]


async def _first_alerts(parts):
    """The time of the first alert's workflow by namespace."""
    client = await connect(parts.settings, lazy=False)
    query = "SELECT DISTINCT fingerprint, namespace FROM telemetry_anomaly"
    spaces, first = {row[0]: row[1] for row in parts.database.ask(query)}, {}
    async for one in client.list_workflows("WorkflowType = 'AlertHandling'"):
        space = spaces[one.id.removeprefix("alert-").removesuffix("w")]
        first[space] = min(first.get(space, float("inf")), one.start_time.timestamp())
    return first


def _show(title, columns, rows):
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="right" if column else "left")
    for row in rows:
        table.add_row(*row)
    Console(width=140).print(table)
    sys.stdout.flush()


MEASURES: dict[str, Callable] = {
    "steps": measure_steps, "whole": measure_whole, "growth": measure_growth, "delay": measure_delay,
}  # fmt: skip

if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # temporalio's core may crash at interpreter exit (sdk-python issue 300)
