"""Objects of a real API server read the same in protobuf as in JSON, for all that the sensor watches."""

import asyncio

import aiohttp
import pytest
from fakes.apiserver import eventually
from support.api import until
from support.deployments import a_deployment, a_namespace

from prunella_operator.detection.jobs import JOBS
from prunella_operator.detection.pods import PODS
from prunella_operator.detection.rollouts import DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.watch.formats import ACCEPT, PROTOBUF, Json
from prunella_operator.kubernetes.watch.protobuf import Protobuf
from prunella_operator.kubernetes.watch.resource import Scope
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_operator.tasks import end
from prunella_workflows.model.labels import IGNORE

pytestmark = pytest.mark.integration

TIME = "2026-11-24T09:59:00Z"
ENDED = {"terminated": {"exitCode": 137, "reason": "OOMKilled", "startedAt": TIME, "finishedAt": TIME}}
CONTAINER = {"name": "app", "image": "shop", "imageID": "", "ready": False, "restartCount": 3}
STATUS = {
    "phase": "Running",
    "reason": "Whatever",
    "startTime": TIME,
    "conditions": [{"type": "Ready", "status": "False", "lastTransitionTime": TIME}],
    "containerStatuses": [
        {
            **CONTAINER,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "höchste Zeit"}},
            "lastState": ENDED,
        }
    ],
    "initContainerStatuses": [{**CONTAINER, "name": "init", "state": ENDED, "restartCount": 0}],
}


@pytest.fixture(scope="module")
def space(api):
    name = a_namespace(api, "formats-")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def access(cluster):
    return load_access(str(cluster.kubeconfig), cluster.context)


@pytest.fixture(scope="module")
def things(api, space):
    """One of each kind, with a value in every field that is read."""
    (owner,) = api.apply(a_workload(space, "Deployment", progressDeadlineSeconds=1))
    api.apply(
        a_workload(space, "StatefulSet", serviceName="none", podManagementPolicy="Parallel"),
        a_workload(space, "DaemonSet"),
        a_job(space),
    )
    pods = f"/api/v1/namespaces/{space}/pods"
    api.create(pods, a_pod(owner["metadata"]))
    api.patch(f"{pods}/odd/status", {"status": STATUS})
    api.delete(f"{pods}/odd")
    yield
    api.patch(f"{pods}/odd", {"metadata": {"finalizers": None}})


def a_workload(space, kind, **spec):
    """One of a kind, whose pods cannot start."""
    workload = a_deployment(space, kind.lower(), replicas=2)
    workload["spec"]["template"]["spec"]["containers"][0]["command"] = ["/nothing"]
    if kind == "DaemonSet":
        del workload["spec"]["replicas"]
    return {**workload, "kind": kind, "spec": {**workload["spec"], **spec}}


def a_job(space):
    """One that fails at once."""
    template = a_workload(space, "Deployment")["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    meta = {"name": "job", "namespace": space}
    spec = {"backoffLimit": 0, "template": template}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def a_pod(owner):
    """A pod without a node, so that no kubelet writes its status; a finalizer delays its deletion."""
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": owner["name"], "uid": owner["uid"]}
    meta = {
        "name": "odd",
        "finalizers": ["prunella.dev/test"],
        "labels": {IGNORE: "true"},
        "annotations": {"story": "Es wär' ein Glück"},
        "ownerReferences": [{**reference, "controller": True}],
    }
    return {"metadata": meta, "spec": {"schedulerName": "none", "containers": [{"name": "app", "image": "shop"}]}}


def read(access, resource, space, accept):
    """The objects by uid and version, as listed in this format."""

    async def ask():
        options = access.options()
        options["headers"]["Accept"] = accept
        url = access.server + resource.path(space)
        async with aiohttp.ClientSession() as session, session.get(url, **options) as answer:
            return answer.content_type, await answer.read()

    content_type, body = asyncio.run(ask())
    wire_format = Protobuf() if content_type == PROTOBUF else Json()
    found = [wire_format.read(raw, resource.into, resource.kind) for raw in wire_format.page(body).objects]
    return content_type, {(item.metadata.uid, item.metadata.resource_version): item for item in found}


def telling(resource, item):
    """Check that its fields are set: then a field that is read wrongly shows."""
    if resource is PODS:
        return item.metadata.deletion_timestamp and item.metadata.ignored and item.metadata.controller
    if resource is JOBS:
        return item.failure
    if resource is DEPLOYMENTS:
        return item.overdue
    return item.progress and item.progress.total == (2 if resource is STATEFUL_SETS else 1)


@pytest.mark.parametrize(
    "resource", [PODS, DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, JOBS], ids=lambda resource: resource.kind
)
def test_both_formats_say_the_same_of_real_objects(access, space, things, resource):
    def both():
        (kind, fast), (_, plain) = (read(access, resource, space, accept) for accept in (ACCEPT, "application/json"))
        assert kind == PROTOBUF
        told = fast.keys() & plain.keys()
        return [(fast[key], plain[key]) for key in told] if any(telling(resource, fast[key]) for key in told) else None

    for fast, plain in until(both, 60, f"a {resource.kind} that tells of its trouble"):
        assert fast == plain


async def test_a_watch_follows_what_happens_in_protobuf(access, api, space, things):
    heard = []

    class Ear:
        def on_upsert(self, obj, at):
            heard.append((obj.metadata.name, obj.spec.replicas, obj.spec.paused))

        def on_delete(self, uid, at):
            heard.append(uid)

    watch = Watch(access, DEPLOYMENTS, Ear(), Scope(space))
    task = asyncio.create_task(watch.run())
    try:
        await eventually(lambda: watch.stats.synced)
        (more,) = await asyncio.to_thread(
            api.apply, {**a_deployment(space, "late"), "spec": {**a_deployment(space)["spec"], "paused": True}}
        )
        await eventually(lambda: ("late", 0, True) in heard, within=10)
        await asyncio.to_thread(api.delete, f"/apis/apps/v1/namespaces/{space}/deployments/late")
        await eventually(lambda: more["metadata"]["uid"] in heard, within=10)
    finally:
        await end(task)
    assert watch.stats.undecodable == 0
    assert watch.stats.reconnects == 0


async def test_a_refusal_in_protobuf_is_told_in_the_api_servers_words(access, space):
    watch = Watch(access, PODS, Silent(), Scope(space, fields="spec.nonsense=1"))
    task = asyncio.create_task(watch.run())
    try:
        await eventually(lambda: watch.stats.last_error, within=10)
    finally:
        await end(task)
    assert "400 BadRequest" in watch.stats.last_error
    assert "field label not supported: spec.nonsense" in watch.stats.last_error


class Silent:
    """A handler that ignores everything."""

    def on_upsert(self, obj, at):
        pass

    def on_delete(self, uid, at):
        pass
