"""Prunella as a whole, for `scale.py`: operator, worker and Temporal in processes of their own, and what breaks.

At first there is no worker, so every incident stays open: the cost of seeing and opening. Then a worker heals all.
"""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench_cluster import prunella
from proc import load, percentile, usage
from sensor import patch_apart
from support.api import Api
from support.prunella import PrunellaProcess
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client
from workloads import INCIDENTS, Breaker, create_workloads, delete_workloads

from prunella_operator.incidents.sweeper import RESYNC_INTERVAL_SECONDS
from prunella_operator.tasks import end

_CALLS = 'apiserver_flowcontrol_dispatched_requests_total{flow_schema="service-accounts"'
"""The API server's own count of calls by service accounts: Prunella is the only one here."""
_OPENING = "prunella_incident_opening_seconds"
_OURS = "WorkflowType = 'SelfHealing'"
_AT_ONCE = 16  # status writes in the storm
_HISTORIES = 20  # that are read to count Temporal's actions
_START_WITHIN = 600.0
_ACTIONS = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED,
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
}
"""Events that Temporal Cloud bills, as far as a history shows; an activity counts once for each of its attempts."""


@dataclass
class Measurement:
    """The parts of a measurement, and the row that it fills."""

    options: Any
    api: Api
    kubeconfig: Path
    targets: list[tuple[str, str, str]]
    log_progress: Any
    address: str
    operator: PrunellaProcess
    worker: PrunellaProcess
    row: dict[str, Any]

    def calls(self):
        lines = self.api.text("/metrics").splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith(_CALLS))

    def opening(self):
        """Milliseconds from the observation to the Incident, by the operator's own histogram."""
        lines = (line.split() for line in self.operator.http("/metrics").splitlines() if line.startswith(_OPENING))
        found = {name.removeprefix(_OPENING): float(value) for name, value in lines}
        return 1000 * found["_sum"] / max(1.0, found["_count"])

    def put(self, name, value):
        """Add it to the row, and print it."""
        self.row[name] = value
        self.log_progress(f"  {name}: {value:.1f}" if isinstance(value, float) else f"  {name}: {value}")


def measure(options, kubeconfig, targets, log_progress):
    """The row of one size."""
    api, count = Api(str(kubeconfig)), options.faults + options.storm
    delete_workloads(api)  # those of an interrupted run
    log_progress(f"making {count} workloads that will break")
    workloads = create_workloads(api, count)
    try:
        with prunella(api, kubeconfig) as parts:
            address = parts.temporal.address
            bench = Measurement(
                options, api, kubeconfig, targets, log_progress, address, parts.operator, parts.worker, {}
            )
            run_phases(bench, workloads)
            return bench.row
    finally:
        delete_workloads(api)


def run_phases(bench, workloads):
    """Run the phases, one after the other."""
    bench.put("load at the start", load())
    began, faults = time.monotonic(), bench.options.faults
    with bench.operator:
        bench.put("start to ready (s)", time.monotonic() - began)
        time.sleep(bench.options.quiet)
        quiet, calls = usage(bench.operator.pid), bench.calls()
        bench.put("operator, quiet (MiB)", quiet.rss)
        bench.put("operator, peak of the start (MiB)", quiet.peak)
        asyncio.run(events(bench))
        asyncio.run(detection(bench, workloads[:faults]))
        asyncio.run(storm(bench, workloads[faults:]))
        hold_open(bench)
        before = usage(bench.operator.pid)
        with bench.worker:
            healed = asyncio.run(heal(bench))
            worker = usage(bench.worker.pid)
        after = usage(bench.operator.pid)
        bench.put("worker, peak (MiB)", worker.peak)
        bench.put("operator, peak (MiB)", after.peak)
        if healed:  # else the cost of one is unknown
            bench.put("worker, CPU for an incident (ms)", 1000 * worker.cpu / len(workloads))
            cpu = 1000 * (after.cpu - before.cpu) / len(workloads)
            bench.put("operator, CPU for an incident while it is healed (ms)", cpu)
            bench.put("API calls for an incident", (bench.calls() - calls) / len(workloads))
    bench.put("load at the end", load())


async def events(bench):
    """Change pods without a fault: no incident is opened."""
    before = usage(bench.operator.pid)
    sent = await patch_apart(bench.options, bench.targets)
    await asyncio.sleep(1)
    cpu = usage(bench.operator.pid).cpu - before.cpu
    bench.put("operator, CPU for 1,000 pod events (s)", 1000 * cpu / sent)


async def detection(bench, workloads):
    """Break some workloads while as many pods change as before."""
    options, before = bench.options, usage(bench.operator.pid)
    async with Breaker(str(bench.kubeconfig)) as breaker:
        watching = asyncio.create_task(breaker.watch())
        changes = asyncio.create_task(patch_apart(options, bench.targets))
        began = time.monotonic()
        for number, workload in enumerate(workloads):
            await asyncio.sleep(max(0.0, began + number * options.seconds / len(workloads) - time.monotonic()))
            await breaker.break_one(workload)
        sent = await changes
        seconds = time.monotonic() - began
        await _until(lambda: _seen(breaker), len(workloads), 60)
        await end(watching)
    waited = usage(bench.operator.pid).waited - before.waited
    latencies = breaker.latencies()
    bench.put("pod events a second", sent / seconds)
    bench.put("faults meanwhile, with an Incident", f"{len(latencies)} of {len(workloads)}")
    bench.put("p50 (ms)", percentile(latencies, 0.5))
    bench.put("p99 (ms)", percentile(latencies, 0.99))
    bench.put("operator, waited for a CPU meanwhile (%)", 100 * waited / seconds)
    bench.put("of it, from the Signal to the Incident, mean (ms)", bench.opening())


async def _seen(breaker):
    return len(breaker.latencies())


async def storm(bench, workloads):
    """Break all the others at once."""
    client, calls = await Client.connect(bench.address), bench.calls()
    before, began, rest = await _count(client, _OURS), time.monotonic(), iter(workloads)
    async with Breaker(str(bench.kubeconfig)) as breaker:

        async def some():
            for workload in rest:
                await breaker.break_one(workload)

        await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
        bench.put("storm: all are broken after (s)", time.monotonic() - began)
        await _until(lambda: _count(client, _OURS), before + len(workloads), _START_WITHIN)
    took = time.monotonic() - began
    bench.put("storm: incidents", len(workloads))
    bench.put("storm: incidents a second, to the start of the workflow", len(workloads) / took)
    bench.put("API calls for an incident, to the start of the workflow", (bench.calls() - calls) / len(workloads))


def hold_open(bench):
    """Wait without a worker; the operator resyncs the incidents at least once."""
    before, seconds = usage(bench.operator.pid), RESYNC_INTERVAL_SECONDS + 5
    time.sleep(seconds)
    after = usage(bench.operator.pid)
    bench.put("open incidents", bench.options.faults + bench.options.storm)
    bench.put("operator with these open (MiB)", after.rss)
    bench.put("operator, CPU with these open (% of a core)", 100 * (after.cpu - before.cpu) / seconds)


async def heal(bench):
    """Wait until every workflow has ended or the time is over; return whether all have ended."""
    client, began = await Client.connect(bench.address), time.monotonic()
    total = await _count(client, _OURS)
    running = f"{_OURS} AND ExecutionStatus = 'Running'"
    reported = began
    while (left := await _count(client, running)) and time.monotonic() - began < bench.options.patience:
        if time.monotonic() - reported > 15:
            reported = time.monotonic()
            bench.log_progress(f"  {total - left} of {total} incidents are closed ({reported - began:.0f} s)")
        await asyncio.sleep(1)
    took = time.monotonic() - began
    phases = Counter((incident.get("status") or {}).get("phase", "Pending") for incident in bench.api.items(INCIDENTS))
    bench.put("ends", ", ".join(f"{count} {phase}" for phase, count in phases.most_common()))
    bench.put("repairs a second", phases["Healed"] / took)
    bench.put("Temporal actions for an incident", await _actions(client))
    return not left


async def _actions(client):
    counts = []
    async for workflow in client.list_workflows(f"{_OURS} AND ExecutionStatus = 'Completed'", limit=_HISTORIES):
        history = await client.get_workflow_handle(workflow.id).fetch_history()
        counts.append(sum(_weight(event) for event in history.events))
    return sum(counts) / len(counts) if counts else float("nan")


def _weight(event):
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        return event.activity_task_started_event_attributes.attempt
    return event.event_type in _ACTIONS


async def _count(client, query):
    return (await client.count_workflows(query)).count


async def _until(count, wanted, within):
    end = time.monotonic() + within
    while await count() < wanted and time.monotonic() < end:  # noqa: ASYNC110 - a poll will do here
        await asyncio.sleep(0.1)
