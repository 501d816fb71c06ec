"""The production overlay as pods, with a Temporal and a Prometheus that are somebody else's, to its uninstallation.

First, while no other Prunella runs. Both servers are processes of this machine, under the names that the overlay has.
"""

import base64
import json
import secrets
import urllib.error
import urllib.request

import pytest
from support import samples
from support.api import until
from support.cluster import install_crds
from support.deployments import gone
from support.installation import HOME, own_cluster, production
from support.outage import Patient, Temporal
from support.prometheus import RULES, prometheus_of

from prunella_operator.cluster import paths

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240, func_only=True)]

WORKER = f"system:serviceaccount:{HOME}:prunella-worker"
KINDS = (
    "clusterroles", "clusterrolebindings", "crds", "namespaces", "priorityclasses", "rolebindings",
    "validatingadmissionpolicies", "validatingadmissionpolicybindings",
)  # fmt: skip


@pytest.fixture(scope="module")
def servers(cluster, tmp_path_factory):
    """Temporal and Prometheus, where pods reach this machine."""
    host, folder = str(own_cluster(cluster).host_address), tmp_path_factory.mktemp("servers")
    temporal = Temporal(folder / "temporal", host, 7233, "prunella")
    temporal.start()
    try:
        with prometheus_of(folder, 9, RULES, f"{host}:9090"):
            yield
    finally:
        temporal.kill()


@pytest.fixture(scope="module")
def house(cluster, servers, tmp_path_factory):
    """The production overlay, ready; at the end it is gone."""
    if cluster.audit:
        cluster.audit.users.add(WORKER)
    folder = tmp_path_factory.mktemp("production")
    installation = production(cluster, own_cluster(cluster), folder, known_good_after=3)
    try:
        printed = installation.type("Production")
        installation.ready()
        assert [one for one in printed if one.endswith("prunella doctor")]
        yield installation
    finally:
        installation.remove()


@pytest.fixture
def patient(cluster, house):
    """A Deployment whose good release is known, in a namespace that opted in."""
    namespace = house.opt_in()
    cluster.api.apply(samples.policy(namespace, grace="2s", verification={"window": "6s", "timeout": "5m"}))
    made = Patient(cluster.api, namespace, f"web-{secrets.token_hex(2)}")
    made.make()
    until(made.is_good, 60, "the good release is known")
    yield made
    gone(cluster.api, f"/api/v1/namespaces/{namespace}")


def test_the_autoscaler_keeps_two_workers(house):
    until(lambda: len(house.pods("prunella-worker")) == 2, 60, "there are two workers")


def test_alerts_come_in_with_the_token_and_not_without(cluster, house):
    secret = cluster.api.get(f"/api/v1/namespaces/{HOME}/secrets/prunella-webhook")
    token = base64.b64decode(secret["data"]["token"]).decode()
    service = cluster.api.get(f"/api/v1/namespaces/{HOME}/services/prunella")["spec"]["clusterIP"]
    url = f"http://{service}:9095/webhooks/alertmanager"
    assert [posted(url, word) for word in (token, "somebody else's", "")] == [200, 401, 401]


def posted(url, token):
    alert = {"status": "firing", "labels": {"alertname": "Watchdog"}, "startsAt": "2026-11-25T10:00:00Z"}
    body = {"version": "4", "groupKey": "{}", "status": "firing", "receiver": "prunella", "alerts": [alert]}
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers), timeout=10) as it:
            return it.status
    except urllib.error.HTTPError as error:
        return error.code


def test_all_of_it_may_be_exchanged_in_the_middle_of_a_repair(cluster, house, patient):
    before = {one["metadata"]["uid"] for name in ("operator", "worker") for one in house.pods(f"prunella-{name}")}
    patient.break_it()
    patient.reaches("Diagnosing", "Repairing")
    house.kubectl("rollout", "restart", "deployment/prunella-worker", "deployment/prunella-operator")
    patient.assert_healed_once(cluster.audit.writes(WORKER, patient.namespace) if cluster.audit else None)
    house.ready()
    after = {one["metadata"]["uid"] for name in ("operator", "worker") for one in house.pods(f"prunella-{name}")}
    assert not before & after


def test_it_is_uninstalled_without_a_trace(cluster, house, patient):
    """What stays is what others own; nothing waits for a Prunella that is gone. Afterwards it is there again."""
    patient.break_it()
    patient.closed()
    house.type("Uninstall")
    meta = patient.live()["metadata"]
    assert not [one for one in meta["annotations"] if "prunella" in one]
    assert cluster.api.items(paths.snapshots(patient.namespace)) == []
    left = cluster.kubectl("get", ",".join(KINDS), "-A", "-o", "name").splitlines()
    assert [one for one in left if "prunella" in one] == [f"namespace/{one}" for one in others(cluster)]
    install_crds(cluster.api)
    house.type("Production")
    house.ready()


def others(cluster):
    """Namespaces of the tests themselves."""
    names = [one["metadata"]["name"] for one in cluster.api.items("/api/v1/namespaces")]
    return [name for name in names if name.startswith("prunella-tests")]
