"""The status of policies at a real API server, written with the operator's own account."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from support.access_control import access_of
from support.api import until
from support.deployments import a_deployment

from prunella_operator.detection.rollouts import DEPLOYMENTS, RolloutSource
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_operator.kubernetes.watch.resource import Scope
from prunella_operator.policies.earned_levels import EarnedLevels
from prunella_operator.policies.status_writer import PolicyStatusWriter
from prunella_workflows.model.errors import Forbidden

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


@pytest.fixture
def policies(api, shop):
    """One policy that is valid and one that names an unknown time zone, which the API server cannot know."""
    put(api, shop, "valid", {"selector": {"matchLabels": {"tier": "front"}}})
    put(api, shop, "nightly", {"maintenanceWindows": [{"start": "22:00", "end": "05:00", "timeZone": "Mars/Olympus"}]})
    api.apply(a_deployment(shop, "front", replicas=0, labels={"tier": "front"}))
    yield shop
    for name in ("valid", "nightly"):
        api.delete(f"{paths.policies(shop)}/{name}")


def put(api, namespace, name, spec):
    body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "HealingPolicy", "metadata": {"name": name}}
    api.create(paths.policies(namespace), {**body, "spec": spec})


@asynccontextmanager
async def writing(access, namespace):
    async with AsyncClient(access) as rest, asyncio.TaskGroup() as group:
        writer = PolicyStatusWriter(access, rest, EarnedLevels(WatchedTrackRecords(rest)), (namespace,))
        handlers = {"emit": lambda _: None, "on_settled": lambda *_: None, "others": (writer.workloads,)}
        source = RolloutSource(access, DEPLOYMENTS, **handlers, scope=Scope(namespace))
        sources = (source, *(watch for _, watch in writer.watches()))
        synced = writer.run(lambda: all(each.stats.synced for each in sources))
        tasks = [group.create_task(work) for work in (*(each.run() for each in sources), synced)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()


def status(api, namespace, name):
    return api.get(f"{paths.policies(namespace)}/{name}").get("status") or {}


async def seen(condition, what):
    await asyncio.to_thread(until, condition, 30, what)


async def test_the_operator_says_which_policies_are_ready_and_what_they_select(api, access, operator, policies):
    async with writing(access_of(api, access, "operator"), policies):
        await seen(lambda: all(status(api, policies, name) for name in ("valid", "nightly")), "both have a status")
        valid, nightly = (status(api, policies, name) for name in ("valid", "nightly"))
        assert (valid["matchedWorkloads"], valid["errors"], valid["observedGeneration"]) == (1, [], 1)
        assert [(one["type"], one["status"]) for one in valid["conditions"]] == [("Ready", "True")]
        assert nightly["conditions"][0]["status"] == "False"
        assert nightly["errors"][0].startswith("spec.maintenanceWindows.0.timeZone: 'Mars/Olympus'")

        api.patch(f"{paths.policies(policies)}/nightly", {"spec": {"maintenanceWindows": None}})
        await seen(
            lambda: status(api, policies, "nightly")["observedGeneration"] == 2, "the corrected one is looked at"
        )
        assert status(api, policies, "nightly")["conditions"][0]["status"] == "True"
        version = api.get(f"{paths.policies(policies)}/valid")["metadata"]["resourceVersion"]
        await asyncio.sleep(6)
        assert api.get(f"{paths.policies(policies)}/valid")["metadata"]["resourceVersion"] == version


def test_no_other_account_and_no_other_field_is_written(worker, operator, policies):
    path = f"{paths.policies(policies)}/valid"
    with pytest.raises(Forbidden):
        worker.call("PATCH", f"{path}/status", {"status": {"matchedWorkloads": 9}}, MERGE_PATCH)
    with pytest.raises(Forbidden):
        operator.call("PATCH", path, {"spec": {"mode": "Heal"}}, MERGE_PATCH)
