"""Prunella as pods: its real image and the quickstart in a real cluster, from installing to uninstalling.

First, while no other Prunella runs. `support/installation.py` says what is added for the local cluster. NetworkPolicies
are in force meanwhile.
"""

import secrets
import urllib.request

import pytest
from support import containers, samples
from support.api import until
from support.deployments import available, gone
from support.installation import HOME, SHOP, own_cluster, quickstart
from support.netpol import enforced
from support.outage import Patient
from support.stage import LAST_ACTION

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240, func_only=True)]

WORKER, OPERATOR, CONSOLE = (
    f"system:serviceaccount:{HOME}:prunella-{one}" for one in ("worker", "operator", "console")
)
BILLING = "billing"
PARTS = {"prunella-operator": 2, "prunella-worker": 1, "prunella-console": 1, "temporal": 1}
CONNECT = """
import socket, sys
for address in sys.argv[1:]:
    with socket.socket() as one:
        one.settimeout(3)
        host, port = address.split(":")
        if one.connect_ex((host, int(port))) == 0:
            print(address)
"""
HARDENED = {
    "user": "65532",
    "group": "65532",
    "capabilities": "",
    "seccomp": "2",
    "no new privileges": "1",
    "root": "ro",
}


@pytest.fixture(scope="module")
def house(cluster, tmp_path_factory):
    """The quickstart, ready; at the end it is gone."""
    if cluster.audit:
        cluster.audit.users |= {WORKER, OPERATOR, CONSOLE}
    instance, folder = own_cluster(cluster), tmp_path_factory.mktemp("quickstart")
    installation = quickstart(cluster, instance, folder, known_good_after=3)
    try:
        with enforced(instance, folder):
            installation.type("Quickstart")
            installation.ready()
            yield installation
    finally:
        installation.remove(SHOP, BILLING)
        gone(cluster.api, "/api/v1/persistentvolumes/prunella-quickstart")


@pytest.fixture(scope="module")
def shop(cluster, house):
    """A namespace that opted in, as the page on installing says."""
    made = house.opt_in()
    cluster.api.apply(samples.policy(made, grace="2s", verification={"window": "6s", "timeout": "5m"}))
    return made


@pytest.fixture(scope="module")
def billing(cluster, house):
    """One that did not."""
    cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": BILLING}})
    return BILLING


@pytest.fixture
def patient(cluster, shop):
    """A Deployment whose good release is known."""
    made = Patient(cluster.api, shop, f"web-{secrets.token_hex(2)}")
    made.make()
    until(made.is_good, 60, "the good release is known")
    yield made
    cluster.api.delete(made.path)


def test_every_part_runs_with_an_account_of_its_own_and_with_no_rights_on_the_node(house):
    for name, count in PARTS.items():
        pods = house.pods(name)
        assert len(pods) == count
        for pod in pods:
            account = "default" if name == "temporal" else name
            assert pod["spec"]["serviceAccountName"] == account
            assert containers.facts(pod) == HARDENED


def test_no_pod_had_to_be_started_again_until_all_were_ready(house):
    for pod in house.first:
        (status,) = pod["status"]["containerStatuses"]
        assert (status["ready"], status["restartCount"]) == (True, 0)
    assert len(house.first) == sum(PARTS.values())


def test_metrics_are_served(house):
    for name in ("prunella-operator", "prunella-worker", "prunella-console"):
        for pod in house.pods(name):
            assert "python_info" in http(pod, "/metrics")


def http(pod, path):
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080{path}", timeout=5) as answer:
        return answer.read().decode()


def test_one_operator_leads(house):
    def leading():
        return [one["metadata"]["name"] for one in house.pods("prunella-operator") if leads(one)]

    until(lambda: leading() == [house.leader()["metadata"]["name"]], 30, "the one that has the Lease leads")


def leads(pod):
    return "prunella_leader 1.0" in http(pod, "/metrics")


@pytest.mark.parametrize("part", ["operator", "worker"])
def test_the_doctor_finds_nothing_wrong(house, patient, part):
    said = house.kubectl("exec", f"deployment/prunella-{part}", "--", "prunella", "doctor")
    assert "FAIL" not in said
    assert f"May {'lead' if part == 'operator' else 'repair'}" in said


def test_a_stranger_reaches_metrics_and_the_console_and_nothing_else(house, billing):
    """From a pod of another namespace; what is refused is so by NetworkPolicies, as the port before it shows."""
    ports = {"prunella-operator": [8080], "prunella-worker": [8080], "prunella-console": [8080, 8081], "temporal": []}
    wanted = {
        f"{pod['status']['podIP']}:{port}"
        for name, open_ in ports.items()
        for pod in house.pods(name)
        for port in open_
    }
    (temporal,) = house.pods("temporal")
    closed = {f"{temporal['status']['podIP']}:{port}" for port in (7233, 8233)}
    assert reached(house, HOME, "deployment/temporal", closed) == closed
    pod = a_stranger(house, billing)
    assert reached(house, billing, pod, wanted | closed) == wanted


def a_stranger(house, namespace):
    """A pod that only waits."""
    (one,) = house.pods("temporal")
    sleep = ["python3", "-c", "import time; time.sleep(3600)"]
    container = {"name": "any", "image": one["spec"]["containers"][0]["image"], "command": sleep}
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger", "namespace": namespace}}
    house.cluster.api.apply({**body, "spec": {"containers": [container], "terminationGracePeriodSeconds": 0}})
    house.cluster.kubectl("-n", namespace, "wait", "pod/stranger", "--for=condition=Ready", "--timeout=60s", timeout=70)
    return "pod/stranger"


def reached(house, namespace, pod, addresses):
    """Those of the addresses to which a connection can be opened from a pod."""
    said = house.cluster.kubectl("-n", namespace, "exec", pod, "--", "python3", "-c", CONNECT, *addresses)
    return set(said.split())


def test_a_bad_release_is_rolled_back_where_a_namespace_opted_in_and_seen_elsewhere(cluster, patient, billing):
    other = Patient(cluster.api, billing, "web")
    other.make()
    available(cluster.api, other.live())
    other.break_it()
    patient.break_it()
    patient.assert_healed_once(made_by(cluster, WORKER, patient.namespace))
    assert other.closed()["status"]["phase"] == "DryRunDone"
    live = other.live()
    assert live["metadata"]["generation"] == other.broken["metadata"]["generation"]
    assert not live["metadata"]["annotations"].keys() & {LAST_ACTION}
    for user in (WORKER, OPERATOR, CONSOLE):
        assert not [one for one in made_by(cluster, user, billing) if one.made and one.of_a_user]


def made_by(cluster, user, namespace):
    return cluster.audit.writes(user, namespace) if cluster.audit else []


def killed(pod, house):
    containers.kill(pod)


def deleted(pod, house):
    house.kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")


@pytest.mark.parametrize(("when", "strike"), [("Diagnosing", deleted), ("written", killed)])
def test_the_leader_and_the_worker_may_die_in_the_middle_of_a_repair(cluster, house, patient, strike, when):
    leader, (worker,) = house.leader(), house.pods("prunella-worker")
    patient.break_it()
    if when == "written":
        patient.written()
    else:
        patient.reaches(when, "Repairing")
    for pod in (worker, leader):
        strike(pod, house)
    patient.assert_healed_once(made_by(cluster, WORKER, patient.namespace))
    house.ready()
