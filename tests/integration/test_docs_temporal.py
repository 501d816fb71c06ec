"""Commands of docs/temporal.md on a real API server with its controllers.

Nodes accept no pods, because the images are not available: pods are created, checked by Pod Security, and stay pending.
"""

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest
from support.api import until
from support.deployments import gone

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("docs_pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules["docs_pages"] = pages  # dataclasses look their module up
spec.loader.exec_module(pages)

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

HOME = "temporal"
NEED_PODS = {"rollout", "exec", "wait"}
SERVERS = ("frontend", "history", "matching", "worker")
PODS = {**{f"temporal-{part}": 3 for part in SERVERS}, "temporal-page": 1}
APPS = f"/apis/apps/v1/namespaces/{HOME}"


def commands(section):
    """The arguments of the section's kubectl commands that need no running pod."""
    for block in pages.blocks(ROOT / "docs" / "temporal.md"):
        if block.section == section and block.language in pages.SHELL:
            for command in pages.commands(block):
                _, *arguments = shlex.split(command)
                if not NEED_PODS & {arguments[0], arguments[2]}:
                    yield [_path(before, word) for before, word in zip(["", *arguments], arguments, strict=False)]


def _path(before, word):
    return str(ROOT / word) if before in {"-f", "-k"} else word


@pytest.fixture(scope="module")
def cordoned(api):
    nodes = [f"/api/v1/nodes/{item['metadata']['name']}" for item in api.items("/api/v1/nodes")]
    for node in nodes:
        api.patch(node, {"spec": {"unschedulable": True}})
    yield
    for node in nodes:
        api.patch(node, {"spec": {"unschedulable": None}})


@pytest.fixture(scope="module")
def installed(cluster, api, cordoned):
    """The commands of the section about it, one after the other."""
    try:
        for arguments in commands("Install it"):
            cluster.kubectl(*arguments)
        yield
    finally:
        gone(api, f"/api/v1/namespaces/{HOME}")
        api.delete("/apis/scheduling.k8s.io/v1/priorityclasses/temporal")


def counts(api):
    return {
        deployment["metadata"]["name"]: deployment["status"].get("replicas", 0)
        for deployment in api.items(f"{APPS}/deployments")
    }


def warnings(api):
    """Refusals of controllers, without those of the scheduler."""
    return [
        event["message"]
        for event in api.items(f"/api/v1/namespaces/{HOME}/events")
        if event["reason"] in {"FailedCreate", "FailedUpdate"}
    ]


def test_every_pod_is_made(api, installed):
    """Controllers create them under Pod Security, including those whose number the autoscaler sets."""
    until(lambda: counts(api) == PODS, 90, "all Deployments have their pods")
    (database,) = api.items(f"{APPS}/statefulsets")
    assert database["status"]["replicas"] == 1
    jobs = until(
        lambda: all(job.get("status", {}).get("active") for job in _jobs(api)) and _jobs(api),
        30,
        "both Jobs have a pod",
    )
    assert {job["metadata"]["name"] for job in jobs} == {"temporal-schema", "temporal-namespace"}
    assert warnings(api) == []
    assert api.items(f"/api/v1/namespaces/{HOME}/persistentvolumeclaims")


def _jobs(api):
    return api.items(f"/apis/batch/v1/namespaces/{HOME}/jobs")


def test_it_is_upgraded(cluster, api, installed):
    """Only the Jobs are recreated."""
    before, old = counts(api), {job["metadata"]["uid"] for job in _jobs(api)}
    for arguments in commands("Upgrade"):
        cluster.kubectl(*arguments)
    assert not old & {job["metadata"]["uid"] for job in _jobs(api)}
    assert counts(api).keys() == before.keys()


def test_the_server_is_stopped_and_started_for_a_restore(cluster, api, installed):
    until(lambda: counts(api) == PODS, 90, "all Deployments have their pods")
    stop, start = commands("Backup")
    cluster.kubectl(*stop)
    until(lambda: sum(counts(api)[f"temporal-{part}"] for part in SERVERS) == 0, 60, "the server is stopped")
    cluster.kubectl(*start)
    until(lambda: counts(api) == PODS, 60, "the server is back")
