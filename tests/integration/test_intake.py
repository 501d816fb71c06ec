"""Signals become Incidents once each, on a real API server with real owners."""

import asyncio

import pytest
from fakes.apiserver import eventually
from support.api import until
from support.deployments import a_deployment, a_namespace, replica_sets

from prunella_operator import clock
from prunella_operator.incidents.intake import Intake
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.tasks import end
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

pytestmark = pytest.mark.integration

IGNORE = {"prunella.dev/ignore": "true"}


@pytest.fixture
async def rest(cluster):
    async with AsyncClient(load_access(str(cluster.kubeconfig), cluster.context)) as client:
        yield client


@pytest.fixture
def intake(rest):
    return Intake(rest, ("prunella-system",))


@pytest.fixture
def space(api):
    """A namespace without any mark."""
    name = a_namespace(api, "intake-")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def web(api, space):
    """Deployment web with two pods that can never start: only their owners matter."""
    workload = a_deployment(space, replicas=2)
    workload["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "true"}
    (live,) = api.apply(workload)
    return live


def pods(api, namespace, count=2):
    return until(lambda: found if len(found := list(api.pods(namespace))) >= count else None, 90, f"{count} pods", 0.05)


def signal(raw, kind="Pod", **values):
    meta = raw["metadata"]
    owner = next(
        (
            OwnerRef.model_validate(ownerreference)
            for ownerreference in meta.get("ownerReferences") or ()
            if ownerreference["controller"]
        ),
        None,
    )
    return Signal(
        **{
            "source": "pods",
            "type": IncidentType.POD_CRASH_LOOP,
            "namespace": meta["namespace"],
            "kind": kind,
            "name": meta["name"],
            "uid": meta["uid"],
            "owner": owner,
            "reason": "CrashLoopBackOff",
            "observed_at": clock.now(),
            **values,
        }
    )


def close(api, incident, phase):
    status = {"phase": phase, "times": {"closedAt": clock.now().isoformat()}}
    meta = incident["metadata"]
    api.patch(f"{paths.incidents(meta['namespace'], meta['name'])}/status", {"status": status})


async def test_two_pods_and_their_deployment_are_one_incident(intake, api, space, web):
    first, second = pods(api, space)
    answers = [await intake.open(fault) for fault in (signal(first), signal(second), signal(web, "Deployment"))]
    assert answers == ["opened", "joined", "joined"]
    (incident,) = api.incidents(space)
    assert incident["spec"]["target"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert incident["metadata"]["name"].startswith("web-")
    assert incident["spec"]["severity"] == "High"


async def test_two_replicas_of_prunella_at_the_same_moment_create_one(rest, api, space, web):
    first, second = pods(api, space)
    replicas = [Intake(rest) for _ in range(8)]
    answers = await asyncio.gather(
        *(replica.open(signal((first, second)[n % 2])) for n, replica in enumerate(replicas))
    )
    assert sorted(answers) == ["joined"] * 7 + ["opened"]
    assert len(api.incidents(space)) == 1


async def test_a_storm_of_signals_is_one_incident(rest, api, space, web):
    intake = Intake(rest)
    task = asyncio.create_task(intake.run())
    for pod in pods(api, space) * 50:
        intake.accept(signal(pod))
        await asyncio.sleep(0.002)
    await eventually(lambda: not intake.backlog, within=30)
    await end(task)
    assert len(api.incidents(space)) == 1


async def test_after_escalation_only_something_new_is_told(intake, rest, api, space, web):
    pod = pods(api, space)[0]
    await intake.open(signal(pod))
    close(api, api.incidents(space)[0], "Escalated")
    assert await intake.open(signal(pod)) == "joined"
    assert await Intake(rest).open(signal(pod)) == "joined", "neither after a restart of ours"
    api.patch(paths.collection("Deployment", space) + "/web", {"spec": {"replicas": 3}})
    assert await intake.open(signal(pod)) == "joined", "scaling changes nothing"
    api.apply(a_deployment(space, version=2, replicas=3))
    assert await intake.open(signal(pod)) == "opened", "another release is another fault"
    assert len(api.incidents(space)) == 2


async def test_after_dry_run_leave_to_heal_opens_it_anew(intake, api, space, web):
    pod = pods(api, space)[0]
    await intake.open(signal(pod))
    close(api, api.incidents(space)[0], "DryRunDone")
    assert await intake.open(signal(pod)) == "joined"
    api.patch(f"/api/v1/namespaces/{space}", {"metadata": {"labels": {"prunella.dev/heal": "enabled"}}})
    assert await intake.open(signal(pod)) == "opened"


@pytest.mark.parametrize("phase", ["Healed", "Recovered"])
async def test_after_it_was_mended_the_next_fault_is_told(intake, api, space, web, phase):
    pod = pods(api, space)[0]
    await intake.open(signal(pod))
    close(api, api.incidents(space)[0], phase)
    assert await intake.open(signal(pod)) == "opened"


async def test_a_person_was_faster(intake, api, space, web):
    body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"generateName": "by-hand-"}}
    target = {"kind": "Deployment", "name": "web"}
    api.create(paths.incidents(space), {**body, "spec": {"type": "Other", "target": target, "suspend": True}})
    assert await intake.open(signal(pods(api, space)[0])) == "joined"


@pytest.mark.usefixtures("web")
@pytest.mark.parametrize("where", ["namespace", "workload"])
@pytest.mark.parametrize("marks", ["labels", "annotations"])
async def test_what_is_marked_is_left_alone(intake, api, space, where, marks):
    path = f"/api/v1/namespaces/{space}" if where == "namespace" else f"{paths.collection('Deployment', space)}/web"
    api.patch(path, {"metadata": {marks: IGNORE}})
    assert await intake.open(signal(pods(api, space)[0])) == "ignored"
    assert api.incidents(space) == []


def a_pod(api, namespace, name="alone", **meta):
    spec = {"containers": [{"name": "app", "image": "nowhere.local/none:1"}], "nodeSelector": {"nowhere": "true"}}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **meta}, "spec": spec}
    return api.create(paths.core(namespace, "pods"), body)


async def test_a_bare_pod_stands_for_itself(intake, api, space):
    pod = a_pod(api, space)
    assert [await intake.open(signal(pod)) for _ in range(2)] == ["opened", "joined"]
    assert api.incidents(space)[0]["spec"]["podName"] == "alone"


async def test_a_pod_of_an_unknown_owner_stands_for_itself(intake, api, space):
    owner = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "name": "w", "uid": "u", "controller": True}
    pod = a_pod(api, space, ownerReferences=[owner])
    assert await intake.open(signal(pod)) == "opened"
    assert api.incidents(space)[0]["spec"]["podName"] == "alone"


async def test_the_pods_of_an_argo_rollout_are_about_their_replica_set(intake, api, space, web):
    """One incident for each pod would be too many; the ReplicaSet is the last known owner."""
    pods(api, space)
    (replica_set,) = replica_sets(api, web).values()
    rollout = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "r", "uid": "u", "controller": True}
    # The garbage collector takes what has no owner any more, so it must not see this one for long.
    body = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "spec": {**replica_set["spec"], "selector": {"matchLabels": {"app": "r"}}},
    }
    body["spec"]["template"]["metadata"]["labels"] = {"app": "r"}
    made = api.create(
        paths.collection("ReplicaSet", space), {**body, "metadata": {"name": "r-1", "ownerReferences": [rollout]}}
    )
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r-1", "controller": True}
    owners = [{**owner, "uid": made["metadata"]["uid"]}]
    pod = {"metadata": {"namespace": space, "name": "r-1-a", "uid": "p", "ownerReferences": owners}}
    assert await intake.open(signal(pod)) == "opened"
    assert api.incidents(space)[0]["spec"]["target"] == {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r-1"}


async def test_a_pod_of_a_job_is_about_the_job(intake, api, space):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "nowhere.local/none:1"}]}}
    body = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "report"}, "spec": {"template": template}}
    api.create(paths.collection("Job", space), body)
    (pod,) = pods(api, space, 1)
    assert await intake.open(signal(pod)) == "opened"
    assert api.incidents(space)[0]["spec"]["target"] == {"apiVersion": "batch/v1", "kind": "Job", "name": "report"}


async def test_kube_system_is_never_touched(intake, api):
    for namespace in ("kube-system", "kube-public", "prunella-system"):
        intake.accept(signal({"metadata": {"name": "x", "uid": "u", "namespace": namespace}}))
    assert intake.backlog == 0
    assert api.incidents("kube-system") == []


async def test_a_pod_that_was_replaced_meanwhile_needs_nobody(intake, api, space, web):
    pod = pods(api, space)[0]
    stranger = {**pod, "metadata": {**pod["metadata"], "uid": "u", "ownerReferences": []}}
    assert await intake.open(signal(stranger)) == "gone"
