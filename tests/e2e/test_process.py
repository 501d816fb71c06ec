"""Prunella as a process: stopped, killed, started again, and split in two. Runs first, while no other one runs."""

import secrets

import pytest
from support.api import until
from support.prunella import PrunellaProcess

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.timeout(240)]


@pytest.fixture
def namespaces(cluster):
    """Two namespaces with an incident each about a workload that does not exist; the first is watched."""
    names = [f"e2e-process-{secrets.token_hex(2)}" for _ in range(2)]
    for name in names:
        meta = {"name": "ghost", "namespace": name}
        spec = {"type": "Other", "target": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "nowhere"}}
        body = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": meta, "spec": spec}
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, body)
    yield names
    for name in names:
        cluster.api.delete(f"/api/v1/namespaces/{name}")


def phases(cluster, namespace):
    return [(incident.get("status") or {}).get("phase") for incident in cluster.api.incidents(namespace)]


def test_it_leaves_nothing_behind_and_can_be_started_again(cluster, account, namespaces, tmp_path):
    with PrunellaProcess(tmp_path, account.kubeconfig, namespaces=namespaces[0]) as process:
        until(lambda: phases(cluster, namespaces[0]) == ["Failed"], 30, "the incident is closed")
        process.kill()
        process.start()
        process.wait_ready()
    assert not process.running


def test_operator_and_worker_may_be_apart(cluster, account, namespaces, tmp_path):
    with PrunellaProcess(tmp_path / "temporal", account.kubeconfig, namespaces="kube-public") as server:
        here = {
            "temporal_address": f"127.0.0.1:{server.settings['temporal_port']}",
            "task_queue": "apart",
            "namespaces": namespaces[0],
        }
        with PrunellaProcess(tmp_path / "o", account.kubeconfig, "operator", **here):
            until(lambda: phases(cluster, namespaces[0]) != [], 30, "there is an incident")
            with PrunellaProcess(tmp_path / "w", account.kubeconfig, "worker", **here):
                until(lambda: phases(cluster, namespaces[0]) == ["Failed"], 30, "the worker closed it")


def test_an_operator_of_one_namespace_leaves_the_others_alone(cluster, account, namespaces, tmp_path):
    with PrunellaProcess(tmp_path, account.kubeconfig, namespaces=namespaces[0]):
        until(lambda: phases(cluster, namespaces[0]) == ["Failed"], 30, "its own incident is closed")
        assert phases(cluster, namespaces[1]) in ([None], ["Pending"])
