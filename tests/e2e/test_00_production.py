"""The production overlay as pods, with a Temporal and a Prometheus that are somebody else's, to its uninstallation.

First, while no other Prunella runs. Both servers are processes of this machine, under the names that the overlay has.
All of it is played once, by what the page on installing tells people to type; then each test looks at one thing.
"""

import base64
import secrets
from types import SimpleNamespace

import pytest
from support import samples
from support.api import until
from support.client_pod import Stranger
from support.forwarder import Forwarder
from support.installation import HOME, SHOP, own_cluster, production
from support.network_policies import enforced
from support.notifications import an_alert, body
from support.outage import Temporal, WorkloadUnderTest
from support.prometheus import RULES, prometheus_of

from prunella_operator.alerts.webhook import PATH
from prunella_operator.kubernetes import paths

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120, func_only=True)]

MONITORING = "prunella-tests-monitoring"
KINDS = (
    "clusterroles", "clusterrolebindings", "crds", "priorityclasses", "rolebindings", "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
)  # fmt: skip


@pytest.fixture(scope="module")
def house(cluster, tmp_path_factory):
    """The overlay, not applied yet. Temporal's development server wants loopback, so pods reach it by a way of ours."""
    instance, folder = own_cluster(cluster), tmp_path_factory.mktemp("production")
    host, temporal = str(instance.host_address), Temporal(folder / "temporal", "prunella")
    installation = production(cluster, instance, folder, known_good_after=3)
    temporal.start()
    try:
        way = Forwarder(f"http://{temporal.address}", host, 7233)
        with way, prometheus_of(folder, 9, RULES, f"{host}:9090"), enforced(instance, folder):
            yield installation
    finally:
        installation.remove(SHOP, MONITORING)
        temporal.kill()


@pytest.fixture(scope="module")
def story(cluster, house):
    """What was seen from installing to uninstalling."""
    printed = house.type("Production")
    house.ready()
    until(lambda: len(house.pods("prunella-worker")) == 2, 60, "the autoscaler made a second worker")
    seen = SimpleNamespace(printed=printed, codes=posts(house), before=uids(house))
    seen.workload = exchanged_while_healing(house)
    house.ready()
    seen.after = uids(house)
    house.type("Uninstall")
    seen.rest = cluster.kubectl("get", ",".join(KINDS), "-A", "-o", "name").splitlines()
    return seen


def posts(house):
    """The answers to an alert with the token, with another one, and without any; from a pod, as Alertmanager is one."""
    api = house.cluster.api
    secret = api.get(f"/api/v1/namespaces/{HOME}/secrets/prunella-webhook")
    token = base64.b64decode(secret["data"]["token"]).decode()
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": MONITORING}})
    stranger = Stranger(house.cluster, MONITORING, house.first[0]["spec"]["containers"][0]["image"])
    service = api.get(f"/api/v1/namespaces/{HOME}/services/prunella")["spec"]["clusterIP"]
    url, alert = f"http://{service}:9095{PATH}", body(an_alert(labels={"alertname": "Watchdog"})).decode()
    headers = [{"Authorization": f"Bearer {word}"} for word in (token, "somebody else's")]
    return [stranger.post(url, alert, {"Content-Type": "application/json", **more}) for more in (*headers, {})]


def uids(house):
    return {pod["metadata"]["uid"] for name in ("operator", "worker") for pod in house.pods(f"prunella-{name}")}


def exchanged_while_healing(house):
    """A Deployment that is broken, and every pod of operator and worker exchanged while it is being repaired."""
    workload = WorkloadUnderTest(house.cluster.api, house.opt_in(), f"web-{secrets.token_hex(2)}")
    workload.api.apply(samples.policy(SHOP, grace="2s", verification={"window": "6s", "timeout": "5m"}))
    workload.make()
    until(workload.is_good, 60, "the good release is known")
    workload.break_it()
    workload.reaches("Diagnosing", "Repairing")
    house.kubectl("rollout", "restart", "deployment/prunella-worker", "deployment/prunella-operator")
    house.assert_healed_once(workload)
    return workload


def test_the_doctor_finds_nothing_wrong_in_operator_and_worker(story):
    said = [text for command, text in story.printed.items() if command.endswith("prunella doctor")]
    assert len(said) == 2
    assert all("FAIL" not in one and "Prometheus" in one for one in said)


def test_alerts_come_in_with_the_token_and_not_without(story):
    assert story.codes == [200, 401, 401]


def test_all_pods_were_exchanged_in_the_middle_of_a_repair_that_was_made_once(story):
    """That it was healed by one write is asserted while it is played."""
    assert len(story.before) == len(story.after) == 4
    assert not story.before & story.after


def test_what_it_left_on_objects_of_others_is_gone(cluster, story):
    assert not [
        annotation for annotation in story.workload.live()["metadata"]["annotations"] if "prunella" in annotation
    ]
    assert cluster.api.items(paths.snapshots(SHOP)) == []


def test_it_is_gone_itself_and_nothing_hangs(cluster, story):
    ours = [one for one in story.rest if "prunella" in one.rpartition("/")[2]]
    assert [our for our in ours if "prunella-tests" not in our] == []
    assert cluster.api.find(f"/api/v1/namespaces/{HOME}") is None
