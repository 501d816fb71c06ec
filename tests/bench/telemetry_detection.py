"""The quality of detection and of origins, on simulated services and call graphs. Needs nothing else.

False alarms: weeks of healthy services in two worlds (telemetry_worlds.py): the thresholds were chosen on the steady
one, and the rough one was drawn otherwise. Every anomaly counts, since there is no fault. Detection: a fault of ten
minutes after two to three hours; the delay is from its beginning to the end of the window that tells it, without the
time for late data. Origins: telemetry_graphs.py.

    python tests/bench/telemetry_detection.py --services 500 --days 7 --rough-services 100
"""

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE)]

import telemetry_graphs  # noqa: E402
from telemetry_worlds import DAY, Rough, Steady  # noqa: E402

from prunella_workflows.decisions.telemetry.latencies import LatencySeries  # noqa: E402
from prunella_workflows.decisions.telemetry.rules import Parameters  # noqa: E402
from prunella_workflows.decisions.telemetry.shares import ShareSeries  # noqa: E402
from prunella_workflows.model.telemetry_policy import DEFAULTS  # noqa: E402

RULES = Parameters.of(DEFAULTS)
WORLDS = {"steady": Steady, "rough": Rough}
FAULTS = {
    "+2 % errors": (0.02, 1),
    "+5 %": (0.05, 1),
    "+20 %": (0.2, 1),
    "+50 %": (0.5, 1),
    "2x latency": (0, 2),
    "4x": (0, 4),
}
FAULT_WINDOWS = 60


class Watched:
    """A simulated service and its two series, judged as the pipeline judges them."""

    def __init__(self, world, seed):
        self.service = WORLDS[world](seed)
        self.errors, self.latency = ShareSeries(), LatencySeries()

    def step(self, number, more_errors=0.0, slower=1.0):
        """The onsets and sizes of new anomalies, by kind."""
        requests, errors, durations = self.service.window(number, more_errors, slower)
        time, found = 10 * number + 10, {}
        if not requests:
            return found
        if self.errors.step(time, requests, errors, RULES.errors):
            self.errors.open()
            found["errors"] = (self.errors.since - 10, self.errors.run_share >= RULES.critical_errors)
        if self.latency.step(time, requests, durations, RULES.latency, RULES.latency_factor):
            self.latency.shares.open()
            found["latency"] = (self.latency.shares.since - 10, self.latency.run_ratio >= RULES.critical_latency)
        self.close(time)
        return found

    def close(self, time):
        if self.errors.alarmed and self.errors.is_over(RULES.errors):
            self.errors.close(time)
        if self.latency.shares.alarmed and self.latency.shares.is_over(RULES.latency):
            self.latency.close(time)
        if self.errors.is_due(RULES.errors.learn):
            self.errors.learn_block()


def false_alarms(world, days, seed):
    """The anomalies of a healthy service: of errors, of latency, and those large enough to be critical."""
    watched, counts = Watched(world, seed), [0, 0, 0, 0]
    for number in range(int(days * DAY)):
        for kind, (_, critical) in watched.step(number).items():
            counts[kind == "latency"] += 1
            counts[2] += critical
    counts[3] = sum(counts[:2]) > 0
    return counts


def detection(world, fault, seed):
    """The delay and the error of the onset, in seconds; None if the fault was not found within ten minutes."""
    more_errors, slower = FAULTS[fault]
    watched = Watched(world, 100_000 + seed)
    begin = (720 + seed % 360) + watched.service.chance.random()
    for number in range(int(begin) + FAULT_WINDOWS):
        part = min(1.0, max(0.0, number + 1 - begin))
        hit = part > watched.service.chance.random()
        found = watched.step(number, part * more_errors, slower if hit else 1)
        wanted = found.get("errors" if more_errors else "latency")
        if wanted and part:
            return 10 * (number + 1 - begin), wanted[0] - 10 * begin
    return None


def middle(values, part=0.5):
    return sorted(values)[min(len(values) - 1, int(part * len(values)))] if values else float("nan")


def show_false_alarms(console, pool, options):
    table = Table(
        "world",
        "service-days",
        "errors",
        "latency",
        "a service-day",
        "of critical size",
        "services with any",
        title="False alarms",
    )
    for world, services in (("steady", options.services), ("rough", options.rough_services)):
        found = list(pool.map(partial(false_alarms, world, options.days), range(services), chunksize=5))
        errors, latency, critical, with_any = map(sum, zip(*found, strict=True))
        days = services * options.days
        rate = f"{(errors + latency) / days:.4f}"
        table.add_row(world, f"{days:g}", str(errors), str(latency), rate, str(critical), f"{with_any} of {services}")
    console.print(table)


def show_detection(console, pool, options):
    table = Table("world", "fault", "found in 10 min", "delay p50", "p90", "onset within 10 s", title="Detection")
    for world in WORLDS:
        for fault in FAULTS:
            found = list(pool.map(partial(detection, world, fault), range(options.faults), chunksize=5))
            hits = [each for each in found if each]
            delays = [delay for delay, _ in hits]
            dated = sum(abs(onset) <= 10 for _, onset in hits) / max(1, len(hits))
            share = f"{len(hits) / len(found):.0%}"
            table.add_row(
                world, fault, share, f"{middle(delays):.0f} s", f"{middle(delays, 0.9):.0f} s", f"{dated:.0%}"
            )
    console.print(table)


def show_origins(console, pool, options):
    table = Table("fault", "anomalies", "right", "unknown", "wrong", "faults told", title="Origins")
    found = [each for graph in pool.map(telemetry_graphs.judge_graph, range(options.graphs)) for each in graph]
    for fault in (*telemetry_graphs.FAULTS, "all"):
        cases = [case for case in found if fault in (case.fault, "all")]
        total = sum(case.anomalies for case in cases)
        shares = [sum(getattr(case, name) for case in cases) / max(1, total) for name in ("right", "unknown", "wrong")]
        told = sum(case.anomalies > 0 for case in cases)
        table.add_row(fault, str(total), *(f"{share:.0%}" for share in shares), f"{told} of {len(cases)}")
    console.print(table)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=500, help="healthy services of the steady world")
    parser.add_argument("--rough-services", type=int, default=100, help="healthy services of the rough world")
    parser.add_argument("--days", type=float, default=7, help="days that they are watched")
    parser.add_argument("--faults", type=int, default=200, help="services for each fault")
    parser.add_argument("--graphs", type=int, default=20, help="call graphs, with 16 faults each")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    options = parser.parse_args()
    console, begin = Console(width=110), time.monotonic()
    with ProcessPoolExecutor(options.workers) as pool:
        for show in (show_origins, show_detection, show_false_alarms):
            show(console, pool, options)
    console.print(f"{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
