"""Workflows and activities are counted once each, whatever is replayed."""

import pytest
from prometheus_client import REGISTRY
from workflow.conftest import HealingEnv
from workflow.healing_env import (
    SETTLING,
    ScriptedActivities,
    cancel_and_see,
    ending,
    healing_worker,
    raised,
    start_time_skipping,
    written,
)

from prunella_operator.observability.workflows import CountingInterceptor, expose
from prunella_workflows.model.errors import Conflict

NAMES = ("workflow_started", "workflow_completed", "workflow_failed")


@pytest.fixture
async def counted():
    async with start_time_skipping(interceptors=[CountingInterceptor()]) as environment:
        yield HealingEnv(environment)


def read(name, **labels):
    return REGISTRY.get_sample_value(f"temporal_{name}_total", {**labels, "task_queue": "prunella-test"}) or 0.0


def workflows():
    return [read(name, workflow_type="SelfHealing") for name in NAMES]


@pytest.mark.parametrize("cached", [0, 100], ids=["replayed at every task", "cached"])
async def test_a_run_counts_once(counted, cached):
    before = workflows()
    async with healing_worker(counted.client, ScriptedActivities(), max_cached_workflows=cached):
        await (await counted.start_incident()).result()
    assert [now - then for now, then in zip(workflows(), before, strict=True)] == [1, 1, 0]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_worker_may_run_is_exposed(name):
    """At 0, or `rate` would not see the first one."""
    expose(["SelfHealing"], "nothing-yet")
    labels = {"workflow_type": "SelfHealing", "task_queue": "nothing-yet"}
    assert REGISTRY.get_sample_value(f"temporal_{name}_total", labels) == 0


async def test_what_has_not_failed_is_exposed(counted):
    """At 0, or `increase` would not see the first failure."""
    async with healing_worker(counted.client, ScriptedActivities()):
        await (await counted.start_incident()).result()
    queue = {"task_queue": "prunella-test"}
    for name, kind in (
        ("activity_failed", {"activity_type": "diagnose"}),
        ("activity_retries", {"activity_type": "diagnose"}),
    ):
        assert REGISTRY.get_sample_value(f"temporal_{name}_total", {**kind, **queue}) is not None


async def test_a_cancelled_run_did_not_end_well(counted):
    async def cancel(_):
        await cancel_and_see(counted.handle)
        return SETTLING

    before = workflows()
    async with healing_worker(counted.client, ScriptedActivities(verify=[cancel])):
        assert await ending(await counted.start_incident()) == "Cancelled"
    assert [now - then for now, then in zip(workflows(), before, strict=True)] == [1, 0, 1]


async def test_a_failed_attempt_and_its_retry(counted):
    names = ("activity_started", "activity_completed", "activity_failed", "activity_retries")
    before = [read(name, activity_type="repair") for name in names]
    async with healing_worker(counted.client, ScriptedActivities(repair=[raised(Conflict("moved")), written])):
        await (await counted.start_incident()).result()
    after = [read(name, activity_type="repair") for name in names]
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 1, 1, 1]
