"""Prunella as pods: its real image and the quickstart in a real cluster, from installing to uninstalling.

First, while no other Prunella runs. `support/installation.py` says what is added for the local cluster. NetworkPolicies
are in force meanwhile.
"""

import secrets
import time
import urllib.request

import pytest
from support import containers, samples
from support.api import until
from support.case_run import LAST_ACTION
from support.client_pod import CONNECT, Stranger
from support.deployments import available, gone
from support.installation import SHOP, own_cluster, quickstart
from support.network_policies import enforced
from support.outage import WorkloadUnderTest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240, func_only=True)]

BILLING = "billing"
TAKEOVER = 10.0  # seconds
PARTS = {"prunella-operator": 2, "prunella-worker": 1, "prunella-console": 1, "temporal": 1}
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
def workload(cluster, shop):
    """A Deployment whose good release is known."""
    made = WorkloadUnderTest(cluster.api, shop, f"web-{secrets.token_hex(2)}")
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
        return [pod["metadata"]["name"] for pod in house.pods("prunella-operator") if leads(pod)]

    until(lambda: leading() == [house.leader()["metadata"]["name"]], 30, "the one that has the Lease leads")


def leads(pod):
    return "prunella_leader 1.0" in http(pod, "/metrics")


@pytest.mark.parametrize("part", ["operator", "worker"])
def test_the_doctor_finds_nothing_wrong(house, workload, part):
    said = house.kubectl("exec", f"deployment/prunella-{part}", "--", "prunella", "doctor")
    assert "FAIL" not in said
    assert f"May {'lead' if part == 'operator' else 'repair'}" in said


def test_a_stranger_reaches_metrics_and_the_console_and_nothing_else(cluster, house, billing):
    """From a pod of another namespace. What is refused to it is served: Temporal's own pod reaches it."""
    ports = {"prunella-operator": [8080], "prunella-worker": [8080], "prunella-console": [8080, 8081]}
    wanted = {address for name, numbers in ports.items() for address in addresses(house.pods(name), *numbers)}
    (temporal,) = house.pods("temporal")
    closed = addresses([temporal], 7233, 8233)
    said = house.kubectl("exec", temporal["metadata"]["name"], "--", "python3", "-c", CONNECT, *closed)
    assert set(said.split()) == closed
    stranger = Stranger(cluster, billing, temporal["spec"]["containers"][0]["image"])
    assert stranger.reaches(wanted | closed) == wanted


def addresses(pods, *ports):
    return {f"{pod['status']['podIP']}:{port}" for pod in pods for port in ports}


def test_a_bad_release_is_rolled_back_where_a_namespace_opted_in_and_seen_elsewhere(cluster, house, workload, billing):
    other = WorkloadUnderTest(cluster.api, billing, "web")
    other.make()
    available(cluster.api, other.live())
    other.break_it()
    workload.break_it()
    house.assert_healed_once(workload)
    assert other.closed()["status"]["phase"] == "DryRunDone"
    live = other.live()
    assert live["metadata"]["generation"] == other.broken["metadata"]["generation"]
    assert not live["metadata"]["annotations"].keys() & {LAST_ACTION}
    if cluster.audit:
        assert house.writers(billing) == []


def killed(pod, house):
    containers.kill(pod)


def deleted(pod, house):
    house.kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")


@pytest.mark.parametrize(("when", "strike"), [("Diagnosing", deleted), ("written", killed)])
def test_the_leader_and_the_worker_may_die_in_the_middle_of_a_repair(cluster, house, workload, strike, when):
    leader, (worker,) = house.leader(), house.pods("prunella-worker")
    workload.break_it()
    if when == "written":
        workload.written()
    else:
        workload.reaches(when, "Repairing")
    for pod in (worker, leader):
        strike(pod, house)
    house.assert_healed_once(workload)
    house.ready()


def cut_off(pod):
    return containers.cut_off(pod, 443, 7233)  # the API server and Temporal


@pytest.mark.parametrize("strike", [containers.paused, cut_off])
def test_a_leader_that_hangs_is_replaced_within_ten_seconds_in_the_middle_of_a_repair(house, workload, strike, capsys):
    leader = house.leader()
    (other,) = (pod for pod in house.pods("prunella-operator") if pod["metadata"]["name"] != leader["metadata"]["name"])
    workload.break_it()
    workload.reaches("Diagnosing", "Repairing")
    with strike(leader):
        began = time.monotonic()
        until(lambda: leads(other), 30, "the other one leads", every=0.1)
        took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n  takeover after a leader was {strike.__name__}: {took:.1f} s")
    assert took <= TAKEOVER
    house.assert_healed_once(workload)
    house.ready()
    assert [leads(leader), leads(other)] == [False, True]
