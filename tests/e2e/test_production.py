"""The production overlay as pods, with an external Temporal and Prometheus, from installation to uninstallation.

Runs first, while no other Prunella runs. Both servers are processes on this machine, under the names in the overlay.
The module fixture executes the commands of docs/install.md once; each test then checks one result.
"""

import base64
from types import SimpleNamespace

import pytest
from support.api import until
from support.client_pod import ClientPod
from support.forwarder import Forwarder
from support.image import PRODUCTION
from support.installation import HOME, SHOP, own_cluster, production
from support.network_policies import enforced
from support.notifications import an_alert, body
from support.outage import Temporal
from support.prometheus import RULES, prometheus_of

from prunella_operator.alerts.webhook import PATH
from prunella_operator.kubernetes import paths

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.timeout(120, func_only=True)]

MONITORING = "prunella-tests-monitoring"
RESTART = f"kubectl -n {HOME} rollout restart deployment/prunella-worker deployment/prunella-operator"
KINDS = (
    "clusterroles", "clusterrolebindings", "crds", "priorityclasses", "rolebindings", "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
)  # fmt: skip


@pytest.fixture(scope="module")
def installation(cluster, tmp_path_factory):
    """The overlay, not applied yet. Pods reach Temporal, which listens on loopback, through a forwarder."""
    instance, folder = own_cluster(cluster, PRODUCTION), tmp_path_factory.mktemp("production")
    host, temporal = str(instance.host_address), Temporal(folder / "temporal", "prunella")
    overlay = production(cluster, instance, folder, known_good_after=3)
    temporal.start()
    try:
        forwarder = Forwarder(f"http://{temporal.address}", host, 7233)
        with forwarder, prometheus_of(folder, [9], RULES, f"{host}:9090"), enforced(instance, folder):
            yield overlay
    finally:
        overlay.remove(SHOP, MONITORING)
        temporal.kill()


@pytest.fixture(scope="module")
def observed(cluster, installation):
    """Observations from installation to uninstallation."""
    printed = installation.type_section("Production")
    installation.ready()
    until(lambda: len(installation.pods("prunella-worker")) == 2, 60, "the autoscaler made a second worker")
    seen = SimpleNamespace(printed=printed, codes=post_alerts(installation), before=pod_uids(installation))
    seen.workload = installation.heal_during(RESTART)
    installation.ready()
    seen.after = pod_uids(installation)
    installation.type_section("Uninstall")
    seen.rest = cluster.kubectl("get", ",".join(KINDS), "-A", "-o", "name").splitlines()
    return seen


def post_alerts(installation):
    """Post an alert with the token, with a wrong one, and without one, from a pod as Alertmanager does."""
    api = installation.cluster.api
    secret = api.get(f"/api/v1/namespaces/{HOME}/secrets/prunella-webhook")
    token = base64.b64decode(secret["data"]["token"]).decode()
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MONITORING}})
    client_pod = ClientPod(installation.cluster, MONITORING, installation.first[0]["spec"]["containers"][0]["image"])
    service = api.get(f"/api/v1/namespaces/{HOME}/services/prunella")["spec"]["clusterIP"]
    url, alert = f"http://{service}:9095{PATH}", body(an_alert(labels={"alertname": "Watchdog"})).decode()
    headers = [{"Authorization": f"Bearer {word}"} for word in (token, "wrong")]
    return [client_pod.post(url, alert, {"Content-Type": "application/json", **more}) for more in (*headers, {})]


def pod_uids(installation):
    return {pod["metadata"]["uid"] for name in ("operator", "worker") for pod in installation.pods(f"prunella-{name}")}


def test_the_doctor_finds_nothing_wrong_in_operator_and_worker(observed):
    printed = [text for command, text in observed.printed.items() if command.endswith("prunella doctor")]
    assert len(printed) == 2
    assert all("FAIL" not in text and "Prometheus" in text for text in printed)


def test_alerts_come_in_with_the_token_and_not_without(observed):
    assert observed.codes == [200, 401, 401]


def test_all_pods_were_exchanged_in_the_middle_of_a_repair_that_was_made_once(observed):
    """The fixture asserts that one write healed it. The autoscaler may add workers for the CPU of their start."""
    assert len(observed.before) == 4
    assert len(observed.after) >= 4
    assert not observed.before & observed.after


def test_what_it_left_on_objects_of_others_is_gone(cluster, observed):
    assert not [
        annotation for annotation in observed.workload.live()["metadata"]["annotations"] if "prunella" in annotation
    ]
    assert cluster.api.items(paths.snapshots(SHOP)) == []


def test_it_is_gone_itself_and_nothing_hangs(cluster, observed):
    ours = [name for name in observed.rest if "prunella" in name.rpartition("/")[2]]
    assert [our for our in ours if "prunella-tests" not in our] == []
    assert cluster.api.find(f"/api/v1/namespaces/{HOME}") is None
