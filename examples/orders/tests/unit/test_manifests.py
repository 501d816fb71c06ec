"""The manifests: what must hold between their files, and of each pod."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.programs import missing
from support.promql import unknown

from prunella_orders.cli import app
from prunella_orders.names import TASK_QUEUE
from prunella_orders.settings import Settings
from prunella_workflows.model.outcome import Cause

FOLDER = Path(__file__).parents[2] / "manifests"
NAME = "app.kubernetes.io/name"


def built(folder):
    if not shutil.which("kubectl"):
        missing("there is no kubectl")
    text = subprocess.run(["kubectl", "kustomize", FOLDER / folder], capture_output=True, text=True, check=True).stdout
    return list(yaml.safe_load_all(text))


@pytest.fixture(scope="module", params=["base", "local"])
def documents(request):
    return built(request.param)


@pytest.fixture(scope="module")
def base():
    return built("base")


def named(documents, kind):
    return {document["metadata"]["name"]: document for document in documents if document["kind"] == kind}


def workloads(documents):
    return [document for document in documents if document["kind"] in {"Deployment", "StatefulSet"}]


def container(workload):
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    return only


def test_everything_is_in_the_namespace(documents):
    assert {one["metadata"].get("namespace") for one in documents if one["kind"] != "Namespace"} == {"order-system"}
    assert not named(documents, "Secret")


def test_pods_are_hardened_and_have_probes(documents):
    for workload in workloads(documents):
        pod, main = workload["spec"]["template"]["spec"], container(workload)
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert main["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= main.keys()
        assert main["resources"]["requests"].keys() == {"cpu", "memory"}
        assert main["resources"]["limits"].keys() == {"memory"}


def test_the_numbers_of_the_guide(base):
    replicas = {name: one["spec"]["replicas"] for name, one in named(base, "Deployment").items()}
    assert replicas == {"order-service": 5, "order-workers": 10, "payments": 2, "carrier": 2}
    scaler = named(base, "HorizontalPodAutoscaler")["order-workers-hpa"]["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (10, 50)
    cpu, depth = scaler["metrics"]
    assert cpu["resource"]["target"]["averageUtilization"] == 70
    assert depth["external"]["metric"] == {
        "name": "temporal_task_queue_depth",
        "selector": {"matchLabels": {"task_queue": TASK_QUEUE}},
    }
    assert depth["external"]["target"] == {"type": "AverageValue", "averageValue": "100"}


def test_a_local_cluster_has_room_for_it():
    requests = [container(one)["resources"]["requests"] for one in workloads(built("local"))]
    assert sum(int(request["cpu"].removesuffix("m")) for request in requests) <= 100
    assert sum(int(request["memory"].removesuffix("Mi")) for request in requests) <= 512


def test_where_prunella_heals_it_the_autoscaler_has_room_and_its_maximum_may_become_more():
    healing = built("healing")
    (policy,) = [one for one in healing if one["kind"] == "HealingPolicy"]
    assert policy["metadata"]["namespace"] == "order-system"
    assert "RaiseMaxReplicas" in policy["spec"]["actions"], "it is used only where it is named"
    assert named(healing, "Namespace")["order-system"]["metadata"]["labels"]["prunella.dev/heal"] == "enabled"
    scaler = named(healing, "HorizontalPodAutoscaler")["order-workers-hpa"]["spec"]
    assert scaler["minReplicas"] < scaler["maxReplicas"] < policy["spec"]["limits"]["replicasMax"]
    assert [metric["type"] for metric in scaler["metrics"]] == ["Resource"]
    resources = container(named(healing, "Deployment")["order-workers"])["resources"]
    assert resources["limits"]["cpu"] == resources["requests"]["cpu"], "a share of the limit is one of the request"
    assert named(healing, "ConfigMap")["order-settings"]["data"]["ORDERS_TEMPORAL_ADDRESS"] == "outside:7233"


def test_alerts_name_a_workload_that_exists_and_a_cause_that_prunella_knows(base):
    for rule in yaml.safe_load((FOLDER / "rules.yaml").read_text())["groups"][0]["rules"]:
        labels = rule["labels"]
        assert (labels["severity"], rule["for"]) == ("critical", "1m")
        assert labels["prunella_cause"] in set(Cause)
        kinds = {"deployment": "Deployment", "horizontalpodautoscaler": "HorizontalPodAutoscaler"}
        ((kind, name),) = [(kinds[label], value) for label, value in labels.items() if label in kinds]
        assert name in named(base, kind)
        assert TASK_QUEUE in rule["expr"]
        assert unknown(rule["expr"]) == set()


def test_settings_and_commands_exist(documents):
    known = {f"ORDERS_{name.upper()}" for name in Settings.model_fields}
    assert set(named(documents, "ConfigMap")["order-settings"]["data"]) <= known
    commands = {command.callback.__name__ for command in app.registered_commands}
    for workload in named(documents, "Deployment").values():
        assert {variable["name"] for variable in container(workload)["env"]} <= known
        assert set(container(workload)["args"]) <= commands


def test_services_find_their_pods(base):
    pods = {one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"] for one in workloads(base)}
    ports = {one["metadata"]["name"]: {port["name"] for port in container(one)["ports"]} for one in workloads(base)}
    for name, service in named(base, "Service").items():
        assert service["spec"]["selector"].items() <= pods[name].items()
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports[name]
    for name, budget in named(base, "PodDisruptionBudget").items():
        assert budget["spec"]["selector"]["matchLabels"] == {NAME: name}


def test_only_who_has_to_may_speak_to_whom(base):
    policies = named(base, "NetworkPolicy")
    assert policies["nothing-else"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (rule,) = policies["database"]["spec"]["ingress"]
    clients = rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]
    assert set(clients) == set(named(base, "Deployment"))
    (rule,) = policies["services"]["spec"]["ingress"]
    assert rule["from"] == [{"podSelector": {"matchLabels": {NAME: "order-workers"}}}]
