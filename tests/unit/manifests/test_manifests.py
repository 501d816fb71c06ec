"""The manifests of an installation agree with the code, with each other and with the rules for hardened pods.

That they render and that an API server takes them is tests/integration/test_manifests.py.
"""

import re
from pathlib import Path

import pytest
import yaml
from support.api import documents

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.rbac import bindings
from prunella_operator.runtime import worker
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import GROUP, REPAIR_SLOT, REPAIR_SLOTS

MANIFESTS = Path(__file__).parents[3] / "manifests"
FILES = sorted(
    path for part in ("base", "components", "overlays", "admission") for path in (MANIFESTS / part).rglob("*.yaml")
)
FOLDERS = sorted(path.parent for path in MANIFESTS.rglob("kustomization.yaml"))
ALL = [document for file in FILES if file.name != "kustomization.yaml" for document in documents(file)]
DEPLOYMENTS = [document for document in ALL if document["kind"] == "Deployment"]
POD = "app.kubernetes.io/name"


def named(kind):
    return {document["metadata"]["name"]: document for document in ALL if document["kind"] == kind}


def pod(deployment):
    return deployment["spec"]["template"]["spec"]


def container(deployment):
    (only,) = pod(deployment)["containers"]
    return only


by_name = pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda document: document["metadata"]["name"])


@by_name
def test_pods_are_hardened(deployment):
    assert (
        pod(deployment)["securityContext"].items()
        >= {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        }.items()
    )
    assert container(deployment)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod(deployment)["priorityClassName"] in named("PriorityClass")
    assert pod(deployment)["enableServiceLinks"] is False


@by_name
def test_pods_have_probes_and_resources(deployment):
    main = container(deployment)
    assert {"startupProbe", "livenessProbe", "readinessProbe"} <= main.keys()
    assert main["resources"]["requests"].keys() == {"cpu", "memory"}
    assert "memory" in main["resources"]["limits"]
    assert "cpu" not in main["resources"]["limits"], "a throttled operator sees late"


@by_name
def test_selectors_of_deployments_services_and_budgets_find_the_pods(deployment):
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"].items() <= labels.items()
    ports = {port["name"] for port in container(deployment)["ports"]}
    serving = [item for item in named("Service").values() if item["spec"]["selector"][POD] == labels[POD]]
    assert serving
    for service in serving:
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports


@pytest.mark.parametrize("name", ["operator", "worker", "console"])
def test_each_part_runs_its_command_with_an_account_of_its_own(name):
    workload = named("Deployment")[f"prunella-{name}"]
    assert container(workload)["args"] == [name]
    assert pod(workload)["serviceAccountName"] == f"prunella-{name}"
    assert f"prunella-{name}" in named("ServiceAccount")


@pytest.mark.parametrize("role", ["view", "edit", "admin"])
def test_people_get_rules_by_their_default_roles(role):
    found = named("ClusterRole")[f"prunella-aggregate-to-{role}"]
    assert found["metadata"]["labels"] == {f"rbac.authorization.k8s.io/aggregate-to-{role}": "true"}
    for rule in found["rules"]:
        assert rule["apiGroups"] == [GROUP]
        assert set(rule["resources"]) <= {"incidents", "healingpolicies", "clusterhealingpolicies"}
        assert (set(rule["verbs"]) <= {"get", "list", "watch"}) == (role == "view")


def test_operator_and_worker_are_two_spread_and_bounded_in_their_disruptions():
    for name in ("prunella-operator", "prunella-worker"):
        workload = named("Deployment")[name]
        assert workload["spec"]["replicas"] == 2
        assert {each["topologyKey"] for each in pod(workload)["topologySpreadConstraints"]} == {
            "kubernetes.io/hostname",
            "topology.kubernetes.io/zone",
        }
        assert named("PodDisruptionBudget")[name]["spec"]["maxUnavailable"] == 1


def test_a_worker_has_time_to_finish_its_short_activities():
    grace = pod(named("Deployment")["prunella-worker"])["terminationGracePeriodSeconds"]
    assert grace >= worker._GRACE_PERIOD.total_seconds() + 15


def ports(name):
    return {port["name"]: port["containerPort"] for port in container(named("Deployment")[name])["ports"]}


def test_ports_are_those_of_the_settings():
    settings = Settings.model_fields
    for name in ("prunella-operator", "prunella-worker", "prunella-console"):
        assert ports(name)["metrics"] == settings["http_port"].default
    assert ports("prunella-operator")["webhook"] == settings["webhook_port"].default
    assert ports("prunella-console")["console"] == settings["console_port"].default
    service = named("Service")["prunella"]["spec"]["ports"]
    assert [port["port"] for port in service] == [settings["webhook_port"].default]


def variables(node):
    """The names of all our variables, at any depth."""
    if isinstance(node, dict):
        yield from variables(list(node.values()))
    elif isinstance(node, list):
        for item in node:
            yield from variables(item)
    elif isinstance(node, str) and node.startswith("PRUNELLA_"):
        yield node.partition("=")[0]
    elif isinstance(node, str) and "name: PRUNELLA_" in node:
        yield from variables(yaml.safe_load(node))


def test_every_variable_is_a_setting():
    known = {f"PRUNELLA_{name.upper()}" for name in Settings.model_fields}
    found = {name for file in FILES for document in documents(file) for name in variables(document)}
    assert "PRUNELLA_TEMPORAL_ADDRESS" in found
    assert found - known == set()


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(MANIFESTS)))
def test_every_file_of_a_kustomization_is_there_and_used(folder):
    body = yaml.safe_load((folder / "kustomization.yaml").read_text())
    named_there = {*body.get("resources", ()), *body.get("components", ())}
    for resource in named_there:
        assert (folder / resource).exists(), resource
    files = {path.name for path in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert files - named_there == set()


def test_accounts_of_the_bindings_that_are_printed_exist():
    for binding in yaml.safe_load_all(bindings(("shop",), "prunella-system")):
        assert binding["roleRef"]["name"] in named("ClusterRole")
        assert {subject["name"] for subject in binding["subjects"]} <= named("ServiceAccount").keys()


def test_only_incidents_that_have_ended_may_be_deleted():
    said = (MANIFESTS / "admission" / "identity.yaml").read_text()
    words = re.search(r"oldObject\.status\.phase in \[(.*?)\]", said, re.DOTALL)[1]
    assert set(re.findall(r"'(\w+)'", words)) == {phase.value for phase in Phase if phase.closed}


def test_the_marks_that_only_prunella_sets_are_those_that_the_code_writes():
    said = (MANIFESTS / "admission" / "incidents.yaml").read_text()
    assert set(re.findall(r"'(prunella\.dev/[a-z-]+)' in", said)) == {REPAIR_SLOT, REPAIR_SLOTS}


def test_an_incident_that_is_being_deleted_is_under_the_policy_too():
    """With a finalizer of his own its author could else go on writing into it; only removing finalizers is open."""
    policy, _ = documents(MANIFESTS / "admission" / "incidents.yaml")
    assert [one["name"] for one in policy["spec"]["matchConditions"]] == ["not-prunella-itself"]
    (rule,) = [one["expression"] for one in policy["spec"]["validations"] if "variables.dying" in one["expression"]]
    assert "object.spec == oldObject.spec" in rule


def test_what_bounds_prunella_can_fail_for_nobody_else():
    """The policies see every write in the cluster, and an error in a condition would refuse it."""
    for document in documents(MANIFESTS / "admission" / "identity.yaml"):
        if document["kind"] == "ValidatingAdmissionPolicy":
            (condition,) = document["spec"]["matchConditions"]
            name = "request.userInfo.username"
            assert condition["expression"].startswith(f"has({name}) && {name} in [")


def test_what_bounds_prunella_bounds_its_own_accounts_and_no_other_of_the_namespace():
    ours = {f"system:serviceaccount:prunella-system:{name}" for name in named("ServiceAccount")}
    for document in documents(MANIFESTS / "admission" / "identity.yaml"):
        if document["kind"] == "ValidatingAdmissionPolicy":
            (condition,) = document["spec"]["matchConditions"]
            assert set(re.findall(r"'(.*?)'", condition["expression"])) == ours


def test_a_rollback_is_compared_with_the_template_that_it_replaces():
    """Each right of a template is looked for in the one before; tests/integration/test_identity.py tries them."""
    policy = named("ValidatingAdmissionPolicy")["workloads.prunella.dev"]
    rules = [one["expression"] for one in policy["spec"]["validations"]]
    rights = [rule for rule in rules if "isRollback" in rule and "prunella.dev/before" not in rule]
    assert len(rights) == 3
    assert all(re.search(r"variables\.(before|containersBefore|contexts)\b", rule) for rule in rights)
    said = " ".join(rights)
    for old in ("old.privileged", "old.procMount", "old.capabilities.add", "old.volumeMounts", "before.spec.volumes"):
        assert old in said


def test_the_namespace_is_restricted():
    labels = named("Namespace")["prunella-system"]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_everybody_is_cut_off_but_for_what_is_let_through():
    policies = named("NetworkPolicy")
    own = {deployment["spec"]["template"]["metadata"]["labels"][POD] for deployment in DEPLOYMENTS} - {"temporal"}
    for name in ("nothing-else", "everybody"):
        assert policies[name]["spec"]["policyTypes"] == ["Ingress", "Egress"]
        (selected,) = policies[name]["spec"]["podSelector"]["matchExpressions"]
        assert set(selected.pop("values")) == own | {"prunella-doctor"}  # the pod of helm test
        assert selected == {"key": POD, "operator": "In"}
    assert policies["nothing-else"]["spec"].keys() == {"podSelector", "policyTypes"}
    speaking = policies["temporal"]["spec"]["podSelector"]["matchExpressions"][0]["values"]
    assert set(speaking) == {"prunella-operator", "prunella-worker"}


def test_only_kedas_operator_is_let_to_temporal():
    (policy,) = documents(MANIFESTS / "keda" / "network.yaml")
    (rule,) = policy["spec"]["ingress"]
    (who,) = rule["from"]
    assert policy["metadata"]["namespace"] == "temporal"
    assert policy["spec"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "temporal-frontend"}
    assert who["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "keda"}
    assert who["podSelector"]["matchLabels"] == {"app": "keda-operator"}


def test_workers_grow_with_cpu_and_with_what_waits_and_never_below_two():
    hpa = named("HorizontalPodAutoscaler")["prunella-worker"]["spec"]
    cpu, depth = hpa["metrics"]
    assert cpu["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 70}}
    assert depth["external"]["metric"]["name"] == "temporal_task_queue_depth"
    keda = named("ScaledObject")["prunella-worker"]["spec"]
    assert hpa["minReplicas"] == keda["minReplicaCount"] == 2
    temporal, load = keda["triggers"]
    assert temporal["metadata"]["taskQueue"] == Settings.model_fields["task_queue"].default
    assert temporal["metadata"]["queueTypes"] == "workflow,activity"
    assert load["metadata"]["value"] == "70"
