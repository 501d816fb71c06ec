"""The metrics of Temporal's real core: under the names and labels that the shipped alerts and dashboards use."""

import asyncio

import pytest
from prometheus_client import CollectorRegistry
from temporalio import activity, workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from workflow.healing_env import start_time_skipping

from prunella_operator.observability.core import measured_runtime

QUEUE = "measured"


@workflow.defn
class Faulty:
    """Its task fails, so that it stands still."""

    @workflow.run
    async def run(self) -> None:
        raise RuntimeError("a fault in the code")


@activity.defn
async def nothing() -> None:
    """Makes the worker ask for activities."""


@pytest.fixture
def registry():
    return CollectorRegistry()


def worker(client):
    runner = UnsandboxedWorkflowRunner()
    return Worker(client, task_queue=QUEUE, workflows=[Faulty], activities=[nothing], workflow_runner=runner)


def values(registry, name, **labels):
    """The series of this name that have these labels among theirs."""
    return [
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]


async def seen(registry, name, **labels):
    """The core measures in threads of its own: wait until it has."""
    for _ in range(300):
        if any(found := values(registry, name, **labels)):
            return found
        await asyncio.sleep(0.1)
    raise AssertionError(f"{name} stays at 0")


async def test_a_task_that_fails_is_counted_by_workflow_and_reason(registry):
    runtime, _ = measured_runtime("prunella", registry)
    async with start_time_skipping(runtime=runtime) as environment, worker(environment.client):
        handle = await environment.client.start_workflow(Faulty.run, id="faulty", task_queue=QUEUE)
        labels = {"workflow_type": "Faulty", "failure_reason": "WorkflowError"}
        assert await seen(registry, "temporal_sdk_workflow_task_execution_failed_total", **labels) >= [1.0]
        await handle.terminate()


async def test_a_worker_has_pollers_while_it_runs_and_none_afterwards(registry):
    runtime, _ = measured_runtime("prunella", registry)
    async with start_time_skipping(runtime=runtime) as environment:
        async with worker(environment.client):
            assert await seen(registry, "temporal_sdk_num_pollers", poller_type="activity_task") >= [1.0]
            for name in ("worker_task_slots_available", "worker_task_slots_used"):
                assert values(registry, f"temporal_sdk_{name}", worker_type="ActivityWorker")
        assert values(registry, "temporal_sdk_num_pollers", poller_type="activity_task") == [0.0]


async def test_calls_to_the_server_are_measured_by_operation(registry):
    runtime, _ = measured_runtime("prunella", registry)
    async with start_time_skipping(runtime=runtime) as environment:
        handle = await environment.client.start_workflow("Nobodys", id="nobodys", task_queue=QUEUE)
        await handle.terminate()
        of_start = {"operation": "StartWorkflowExecution"}
        assert values(registry, "temporal_sdk_request_total", service_name="prunella", **of_start) == [1.0]
        assert values(registry, "temporal_sdk_request_latency_seconds_count", **of_start) == [1.0]
