"""The chart as pods: installed with the values of production, upgraded in the middle of a repair, and uninstalled.

Runs first, while no other Prunella runs. Its objects are those of the production overlay (`test_production.py`).
The module fixture executes the commands of docs/install.md once; each test then checks one result.
"""

import re
from types import SimpleNamespace

import pytest
from support.documented_commands import commands_of
from support.forwarder import Forwarder
from support.image import PRODUCTION
from support.installation import HOME, SHOP, chart, own_cluster
from support.network_policies import enforced
from support.outage import Temporal

from prunella_operator.kubernetes.track_records import NAMESPACE as RECORDS

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.timeout(120, func_only=True)]

CLUSTER_WIDE = "namespaces,clusterroles,clusterrolebindings,priorityclasses,validatingadmissionpolicies,crds"
PARTS = ("prunella-operator", "prunella-worker", "prunella-console")


@pytest.fixture(scope="module")
def installation(cluster, tmp_path_factory):
    """The chart, not installed yet, and no definitions. Pods reach Temporal through a forwarder."""
    instance, folder = own_cluster(cluster, PRODUCTION), tmp_path_factory.mktemp("chart")
    temporal = Temporal(folder / "temporal", "prunella")
    made = chart(cluster, instance, folder, known_good_after=3)
    made.type("prunella crds | kubectl delete -f -")
    temporal.start()
    try:
        with Forwarder(f"http://{temporal.address}", str(instance.host_address), 7233), enforced(instance, folder):
            yield made
    finally:
        made.remove(SHOP, HOME)
        temporal.kill()


@pytest.fixture(scope="module")
def observed(cluster, installation):
    """Observations from installation to uninstallation."""
    _, helm_test, *install, upgrade, uninstall = commands_of("docs/install.md", "With Helm")
    for command in install:
        installation.type(command)
    installation.ready()
    seen = SimpleNamespace(said=installation.type(helm_test), before=pod_uids(installation))
    seen.workload = installation.heal_during(upgrade)
    installation.ready()
    seen.after = pod_uids(installation)
    installation.type(uninstall)
    seen.incidents = seen.workload.incidents()
    seen.rest = our_objects(cluster)
    _, *rest = commands_of("docs/install.md", "Uninstall")
    for command in rest:
        installation.type(command)
    seen.end = our_objects(cluster)
    return seen


def pod_uids(installation):
    return {pod["metadata"]["uid"] for part in PARTS for pod in installation.pods(part)}


def our_objects(cluster):
    found = cluster.kubectl("get", CLUSTER_WIDE, "-o", "name").split()
    return {name for name in found if "prunella" in name and "prunella-tests" not in name}


def test_the_doctor_finds_nothing_wrong(observed):
    assert re.search(r"Phase:\s+Succeeded", observed.said)


def test_an_upgrade_exchanged_all_pods_in_the_middle_of_a_repair_that_was_made_once(observed):
    """The fixture asserts that one write healed it."""
    assert len(observed.before) >= 4
    assert not observed.before & observed.after


def test_uninstalling_leaves_the_definitions_the_records_and_the_incidents(observed):
    kept = {name for name in observed.rest if not name.startswith("customresourcedefinition")}
    assert kept == {f"namespace/{HOME}", f"namespace/{RECORDS}"}
    assert [incident["status"]["phase"] for incident in observed.incidents] == ["Healed"]


def test_the_commands_of_the_page_remove_the_rest(cluster, observed):
    assert observed.end == set()
    assert cluster.api.find(f"/api/v1/namespaces/{HOME}") is None
