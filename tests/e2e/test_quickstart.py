"""Prunella as pods: its real image and the quickstart in a real cluster, from installing to uninstalling.

Runs first, while no other Prunella runs. `support/installation.py` documents what is added for the local cluster.
NetworkPolicies are in force.
"""

import secrets
import time
import urllib.request

import pytest
from support import containers, samples
from support.api import until
from support.cases.run import LAST_ACTION
from support.client_pod import CONNECT, ClientPod
from support.deployments import available, gone
from support.documented_commands import commands_of, typed
from support.image import QUICKSTART
from support.installation import SHOP, own_cluster, quickstart
from support.network_policies import enforced
from support.outage import WorkloadUnderTest

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.timeout(240, func_only=True)]

BILLING = "billing"
TRY = "try"
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
def installation(cluster, tmp_path_factory):
    """The quickstart, ready; it is removed afterwards."""
    instance, folder = own_cluster(cluster, QUICKSTART), tmp_path_factory.mktemp("quickstart")
    overlay = quickstart(cluster, instance, folder, known_good_after=3)
    try:
        with enforced(instance, folder):
            overlay.type_section("Quickstart")
            overlay.ready()
            yield overlay
    finally:
        overlay.remove(SHOP, BILLING, TRY)
        gone(cluster.api, "/api/v1/persistentvolumes/prunella-quickstart")


@pytest.fixture(scope="module")
def shop(cluster, installation):
    """A namespace that opted in, as the page on installing says."""
    made = installation.opt_in()
    cluster.api.apply(samples.policy(made, grace="2s", verification={"window": "6s", "timeout": "5m"}))
    return made


@pytest.fixture(scope="module")
def billing(cluster, installation):
    """A namespace that did not opt in."""
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


def test_every_part_runs_with_an_account_of_its_own_and_with_no_rights_on_the_node(installation):
    for name, count in PARTS.items():
        pods = installation.pods(name)
        assert len(pods) == count
        for pod in pods:
            account = "default" if name == "temporal" else name
            assert pod["spec"]["serviceAccountName"] == account
            assert containers.facts(pod) == HARDENED


def test_no_pod_had_to_be_started_again_until_all_were_ready(installation):
    for pod in installation.first:
        (status,) = pod["status"]["containerStatuses"]
        assert (status["ready"], status["restartCount"]) == (True, 0)
    assert len(installation.first) == sum(PARTS.values())


def test_metrics_are_served(installation):
    for name in ("prunella-operator", "prunella-worker", "prunella-console"):
        for pod in installation.pods(name):
            assert "python_info" in http(pod, "/metrics")


def http(pod, path):
    with urllib.request.urlopen(f"http://{pod['status']['podIP']}:8080{path}", timeout=5) as answer:
        return answer.read().decode()


def test_one_operator_leads(installation):
    def leaders():
        return [pod["metadata"]["name"] for pod in installation.pods("prunella-operator") if leads(pod)]

    until(lambda: leaders() == [installation.leader()["metadata"]["name"]], 30, "the one that has the Lease leads")


def leads(pod):
    return "prunella_leader 1.0" in http(pod, "/metrics")


@pytest.mark.parametrize("part", ["operator", "worker"])
def test_the_doctor_finds_nothing_wrong(installation, workload, part):
    printed = installation.kubectl("exec", f"deployment/prunella-{part}", "--", "prunella", "doctor")
    assert "FAIL" not in printed
    assert f"Permissions to {'lead' if part == 'operator' else 'repair'}" in printed


def test_a_foreign_pod_reaches_metrics_and_the_console_and_nothing_else(cluster, installation, billing):
    """From a pod of another namespace. The refused ports are open: Temporal's own pod reaches them."""
    ports = {"prunella-operator": [8080], "prunella-worker": [8080], "prunella-console": [8080, 8081]}
    wanted = {address for name, numbers in ports.items() for address in addresses(installation.pods(name), *numbers)}
    (temporal,) = installation.pods("temporal")
    closed = addresses([temporal], 7233, 8233)
    printed = installation.kubectl("exec", temporal["metadata"]["name"], "--", "python3", "-c", CONNECT, *closed)
    assert set(printed.split()) == closed
    client_pod = ClientPod(cluster, billing, temporal["spec"]["containers"][0]["image"])
    assert client_pod.reaches(wanted | closed) == wanted


def addresses(pods, *ports):
    return {f"{pod['status']['podIP']}:{port}" for pod in pods for port in ports}


def test_a_bad_release_is_rolled_back_where_a_namespace_opted_in_and_seen_elsewhere(
    cluster, installation, workload, billing
):
    other = WorkloadUnderTest(cluster.api, billing, "web")
    other.make()
    available(cluster.api, other.live())
    other.break_it()
    workload.break_it()
    installation.assert_healed_once(workload)
    assert other.closed()["status"]["phase"] == "DryRunDone"
    live = other.live()
    assert live["metadata"]["generation"] == other.broken["metadata"]["generation"]
    assert not live["metadata"]["annotations"].keys() & {LAST_ACTION}
    if cluster.audit:
        assert installation.writers(billing) == []


def test_the_first_fault_of_the_readme_is_healed(cluster, installation):
    """Its commands as they stand, with the built-in policy; the last one would not end."""
    *prepare, release, watch = (command for command in commands_of("README.md", "Install") if f" {TRY}" in command)
    for command in prepare:
        typed(command, cluster.kubeconfig, {})
    hello = WorkloadUnderTest(cluster.api, TRY, "hello")
    until(hello.is_good, 60, "the good release is known")
    typed(release, cluster.kubeconfig, {})
    assert hello.closed()["status"]["phase"] == "Healed"
    assert hello.live()["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1.29"
    assert hello.incidents()[0]["metadata"]["name"] in typed(watch, cluster.kubeconfig, {" --watch": ""})


def kill_pod(pod, installation):
    containers.kill(pod)


def delete_pod(pod, installation):
    installation.kubectl("delete", "pod", pod["metadata"]["name"], "--force", "--grace-period=0")


@pytest.mark.parametrize(("when", "disrupt"), [("Diagnosing", delete_pod), ("written", kill_pod)])
def test_the_leader_and_the_worker_may_die_in_the_middle_of_a_repair(cluster, installation, workload, disrupt, when):
    leader, (worker,) = installation.leader(), installation.pods("prunella-worker")
    workload.break_it()
    if when == "written":
        workload.written()
    else:
        workload.reaches(when, "Repairing")
    for pod in (worker, leader):
        disrupt(pod, installation)
    installation.assert_healed_once(workload)
    installation.ready()


def cut_off(pod):
    return containers.cut_off(pod, 443, 7233)  # the API server and Temporal


@pytest.mark.parametrize("disrupt", [containers.paused, cut_off])
def test_a_leader_that_hangs_is_replaced_within_ten_seconds_in_the_middle_of_a_repair(
    installation, workload, disrupt, capsys
):
    leader = installation.leader()
    (other,) = (
        pod for pod in installation.pods("prunella-operator") if pod["metadata"]["name"] != leader["metadata"]["name"]
    )
    workload.break_it()
    workload.reaches("Diagnosing", "Repairing")
    with disrupt(leader):
        began = time.monotonic()
        until(lambda: leads(other), 30, "the other one leads", every=0.1)
        took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n  takeover after a leader was {disrupt.__name__}: {took:.1f} s")
    assert took <= TAKEOVER
    installation.assert_healed_once(workload)
    installation.ready()
    assert [leads(leader), leads(other)] == [False, True]
