"""The checks after a storm, of the audit log, the incidents and Temporal."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from chaos.assertions import Problem
from chaos.fault_injection import written_action
from support.api import Object
from support.audit import Write
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_workflows.contracts.alerts import alert_workflow_id
from prunella_workflows.contracts.healing import workflow_id


def written(incident: Object) -> list[Object]:
    return [attempt for attempt in (incident.get("status") or {}).get("attempts") or () if attempt.get("writtenAt")]


def doubled(writes: list[Write], incidents: list[Object]) -> Iterator[Problem]:
    """Check that each action was written once, is reported by its incident, and is a repair."""
    made = Counter(written_action(write.request) for write in writes)
    reported = {attempt["actionId"] for incident in incidents for attempt in written(incident)}
    for action, times in made.items():
        if times > 1 or action not in reported:
            yield Problem("doubled", action or "no action id", f"written {times} times, reported: {action in reported}")
    for action in reported - set(made):
        yield Problem("incomplete", action, "reported, and never written")


def at_once(runs: Iterable[tuple[str, datetime, datetime]]) -> int:
    """The largest number of runs that overlapped."""
    steps = sorted((moment, step) for _, start, end in runs for moment, step in ((start, 1), (end, -1)))
    count = most = 0
    for _, step in steps:
        count += step
        most = max(most, count)
    return most


async def workflows(address: str, incidents: list[Object]) -> list[Problem]:
    """Check that each incident has one workflow, which completes, and that there is no other."""
    client, end = await Client.connect(address), time.monotonic() + 120
    names = {workflow_id(incident["metadata"]["uid"]): incident["metadata"]["name"] for incident in incidents}
    while True:
        states = [
            (workflow.id, workflow.status.name)
            async for workflow in client.list_workflows("WorkflowType = 'SelfHealing'")
        ]
        ours = Counter(name for name, _ in states if name in names)
        running = [name for name, state in states if state == "RUNNING" and name in names]
        if (len(ours) == len(names) and not running) or time.monotonic() > end:
            break
        await asyncio.sleep(2)
    bad = [(name, state) for name, state in states if state != "COMPLETED" or name not in names]
    found = [Problem("lost", names.get(name, name), f"its workflow is {state}") for name, state in bad]
    doubled = [name for name, count in ours.items() if count > 1]
    missing = [names[name] for name in names if name not in ours]
    found += [Problem("doubled", names[name], "it has more than one workflow") for name in doubled]
    return [*found, *(Problem("lost", name, "it has no workflow") for name in missing)]


async def alerts(address: str, fingerprints: list[str]) -> list[Problem]:
    """Check that each alert has one workflow, which received it."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    found = [workflow.id async for workflow in client.list_workflows("WorkflowType = 'AlertHandling'")]
    wanted = {alert_workflow_id(fingerprint) for fingerprint in fingerprints}
    lost = [Problem("lost", item, "the alert has no workflow") for item in wanted - set(found)]
    more = Counter(found) - Counter(wanted)
    return [*lost, *(Problem("doubled", item, "another workflow of an alert") for item in more)]
