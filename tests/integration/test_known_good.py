"""Known-good templates on a real cluster, with real pods: only what was stable for the whole soak time."""

import asyncio
from datetime import timedelta

import pytest
from support.deployments import a_deployment, a_namespace, available, ref_of

from prunella_operator import clock
from prunella_operator.detection.rollouts import DEPLOYMENTS, RolloutSource
from prunella_operator.incidents import known_good
from prunella_operator.incidents.known_good import KnownGoodRecorder
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.watch.resource import Scope
from prunella_operator.tasks import end
from prunella_workflows.model import labels
from prunella_workflows.model.workload import WorkloadRef

pytestmark = pytest.mark.integration

SOAK = 4.0


@pytest.fixture
async def space(api):
    name = a_namespace(api, "known-good-")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
async def watching(cluster, space, monkeypatch):
    """The recorder and the watch that calls it."""
    monkeypatch.setattr(known_good, "_POLL_INTERVAL_SECONDS", 0.2)
    access = load_access(str(cluster.kubeconfig), cluster.context)
    async with AsyncClient(access) as rest:
        ours = KnownGoodRecorder(rest, SOAK)
        source = RolloutSource(access, DEPLOYMENTS, lambda _: None, ours.schedule, Scope(space))
        tasks = [asyncio.create_task(work) for work in (ours.run(), source.run())]
        yield ours
        await end(*tasks)


def kept(api, namespace, name="web"):
    ref = WorkloadRef(kind="Deployment", namespace=namespace, name=name)
    return api.items(paths.snapshots(namespace), labelSelector=revisions.snapshot_selector(ref))


def good_at(snapshot):
    return snapshot["metadata"]["annotations"].get(labels.GOOD_AT)


async def within(seconds, condition, what):
    end = clock.monotonic() + seconds
    while not (answer := condition()):
        assert clock.monotonic() < end, what
        await asyncio.sleep(0.2)
    return answer


async def test_stable_is_kept_after_the_soak_and_one_that_crashes_after_a_second_never(watching, api, space):
    """Both are "available" at first: without a probe, a container is while it runs."""
    crashing = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "1s"}
    api.apply(
        a_deployment(space, "stable", replicas=1),
        a_deployment(space, "crashing", replicas=1, env=crashing, ready_every=None),
    )
    began = clock.monotonic()
    (snapshot,) = await within(40, lambda: kept(api, space, "stable"), "stable is kept")
    assert clock.monotonic() - began > SOAK
    assert snapshot["metadata"]["labels"][labels.SNAPSHOT] == revisions.KNOWN_GOOD
    live = api.get(f"{paths.collection('Deployment', space)}/stable")
    assert snapshot["data"]["template"] == live["spec"]["template"]
    restarts = lambda: [  # noqa: E731
        status["restartCount"]
        for pod in api.pods(space)
        for status in pod["status"].get("containerStatuses", ())
        if pod["metadata"]["labels"]["app"] == "crashing"
    ]
    await within(40, lambda: restarts() and min(restarts()) >= 2, "it has crashed twice")
    await asyncio.sleep(SOAK)
    assert kept(api, space, "crashing") == []


async def test_a_template_that_comes_back_is_the_newest_again(watching, api, space):
    api.apply(a_deployment(space, replicas=1))
    await within(40, lambda: len(kept(api, space)) == 1, "release 1 is kept")
    (first,) = kept(api, space)
    api.apply(a_deployment(space, replicas=1, version=2))
    await within(40, lambda: len(kept(api, space)) == 2, "release 2 is kept")
    api.apply(a_deployment(space, replicas=1))

    def newest():
        return max(kept(api, space), key=good_at)["metadata"]["name"] == first["metadata"]["name"]

    await within(40, newest, "release 1 is the newest again")
    assert len(kept(api, space)) == 2


async def test_only_the_newest_are_kept(cluster, kube, api, space):
    (web,) = api.apply(a_deployment(space, replicas=1))
    old = []
    for number in range(12):
        other = a_deployment(space, version=100 + number)
        body = revisions.snapshot(other, ref_of(web), revisions.KNOWN_GOOD, clock.now() - timedelta(hours=number + 1))
        old.append(kube.create(paths.snapshots(space), body)["metadata"]["name"])
    api.patch(f"{paths.collection('Deployment', space)}/web", {"metadata": {"annotations": {labels.BEFORE: old[-1]}}})
    web = available(api, web)
    async with AsyncClient(load_access(str(cluster.kubeconfig), cluster.context)) as rest:
        ours = KnownGoodRecorder(rest, 0.0)
        ours.schedule("Deployment", space, "web", web["metadata"]["uid"], False)
        await ours._check(ours._rollouts.popitem()[1])
    left = {snapshot["metadata"]["name"] for snapshot in kept(api, space)}
    assert set(old[:9]) < left
    assert len(left) == 11
    assert old[-1] in left, "what the latest repair may be undone with stays"


async def test_what_asked_to_be_left_alone_is_not_kept(watching, api, space):
    api.apply(
        a_deployment(space, "marked", replicas=1, labels={"prunella.dev/ignore": "true"}),
        a_deployment(space, "plain", replicas=1),
    )
    await within(40, lambda: kept(api, space, "plain"), "the other one is kept")
    await asyncio.sleep(1)
    assert kept(api, space, "marked") == []
