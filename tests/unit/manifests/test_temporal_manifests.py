"""manifests/temporal: what must hold between its files, and of each pod. That it works is an integration test."""

import re
from pathlib import Path

import pytest
import yaml
from localcluster import sources
from support.api import documents

FOLDER = Path(__file__).parents[3] / "manifests" / "temporal"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
COMMON = documents(FOLDER / "patches" / "server.yaml")[0]["spec"]["template"]["spec"]
ALL = [document for name in KUSTOMIZATION["resources"] for document in documents(FOLDER / name)]
SERVERS = ("frontend", "history", "matching", "worker")
WORKLOADS = [document for document in ALL if document["kind"] in {"Deployment", "StatefulSet", "Job"}]
NAME = "app.kubernetes.io/name"
by_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda document: document["metadata"]["name"])


def named(kind):
    return {document["metadata"]["name"]: document for document in ALL if document["kind"] == kind}


def is_server(workload):
    return workload["metadata"]["labels"].get("app.kubernetes.io/component") == "server"


def pod(workload):
    """Its pod, with what all servers have in common."""
    own = workload["spec"]["template"]["spec"]
    return {**COMMON, **own} if is_server(workload) else own


def container(workload):
    (own,) = workload["spec"]["template"]["spec"]["containers"]
    return {**COMMON["containers"][0], **own} if is_server(workload) else own


def settings():
    (literals,) = [
        generator["literals"]
        for generator in KUSTOMIZATION["configMapGenerator"]
        if generator["name"] == "temporal-settings"
    ]
    return dict(literal.split("=", 1) for literal in literals)


@by_workload
def test_pods_are_hardened(workload):
    assert pod(workload)["securityContext"]["runAsNonRoot"] is True
    assert pod(workload)["securityContext"]["runAsUser"] > 0
    assert pod(workload)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(workload)["automountServiceAccountToken"] is False
    assert pod(workload)["enableServiceLinks"] is False
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


@by_workload
def test_pods_have_resources_and_what_stays_has_probes(workload):
    main = container(workload)
    assert main["resources"]["requests"].keys() == {"cpu", "memory"}
    assert main["resources"]["limits"].keys() == {"memory"}
    if workload["kind"] != "Job":
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= main.keys()


@by_workload
def test_selectors_find_the_pods(workload):
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert labels[NAME] == workload["metadata"]["name"]
    if workload["kind"] != "Job":
        assert workload["spec"]["selector"]["matchLabels"] == {NAME: labels[NAME]}


@by_workload
def test_images_are_of_one_version(workload):
    tags = {image["name"]: image["newTag"] for image in KUSTOMIZATION["images"]}
    assert re.search(r"\d", tags[container(workload)["image"]])


def test_what_is_deployed_is_the_version_that_is_tested():
    module = (sources.TEMPORAL.folder / "go.mod").read_text()
    version = re.search(r"^\s*(?:require )?go\.temporal\.io/server v(\S+)", module, re.MULTILINE)[1]
    tags = {image["name"]: image["newTag"] for image in KUSTOMIZATION["images"]}
    assert {tags["temporalio/server"], tags["temporalio/admin-tools"]} == {version}


@pytest.mark.parametrize("part", SERVERS)
def test_each_part_of_the_server_has_three_replicas_that_go_one_at_a_time(part):
    name = f"temporal-{part}"
    workload, scaler = named("Deployment")[name], named("HorizontalPodAutoscaler").get(name)
    assert container(workload)["args"] == ["start", f"--service={part}"]
    assert (scaler["spec"]["minReplicas"] if scaler else workload["spec"]["replicas"]) == 3
    assert not (scaler and "replicas" in workload["spec"]), "two would write the same field"
    budget = named("PodDisruptionBudget")[name]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": {NAME: name}}}
    assert len(pod(workload)["topologySpreadConstraints"]) == 2


def test_only_what_holds_no_shards_is_scaled():
    scalers = named("HorizontalPodAutoscaler")
    assert set(scalers) == {"temporal-frontend", "temporal-matching"}
    for name, scaler in scalers.items():
        assert scaler["spec"]["scaleTargetRef"]["name"] == name
        assert scaler["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


def test_the_database_has_connections_for_all_pods_even_during_an_upgrade():
    scalers = named("HorizontalPodAutoscaler")
    most = {name: scaler["spec"]["maxReplicas"] for name, scaler in scalers.items()}
    pods = sum(most.get(f"temporal-{part}", 3) + 1 for part in SERVERS)
    share = sum(int(settings()[name]) for name in ("SQL_MAX_CONNS", "SQL_VIS_MAX_CONNS"))
    (given,) = [
        int(arg.partition("=")[2])
        for arg in container(named("StatefulSet")["temporal-postgresql"])["args"]
        if arg.startswith("max_connections")
    ]
    reserved = 3 + 10  # PostgreSQL's own reserve, and Jobs, backups and people
    assert pods * share + reserved <= given, "raise max_connections with maxReplicas"


def test_the_number_of_shards_stays_what_it_was():
    """There may be data already, for which Temporal cannot change it."""
    assert settings()["NUM_HISTORY_SHARDS"] == "512"


def test_ports_of_services_are_those_of_their_pods():
    pods = {workload["metadata"]["name"]: workload for workload in WORKLOADS}
    for service in named("Service").values():
        ports = {
            port["name"]: port["containerPort"] for port in container(pods[service["spec"]["selector"][NAME]])["ports"]
        }
        for port in service["spec"]["ports"]:
            assert port["port"] == ports[port["targetPort"]]


def test_nobody_writes_a_password_down():
    secrets = {
        (variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"])
        for workload in (*WORKLOADS, documents(FOLDER / "patches" / "server.yaml")[0])
        for each in workload["spec"]["template"]["spec"]["containers"]
        for variable in each.get("env", ())
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    assert secrets == {("temporal-postgresql", "postgres-password"), ("temporal-postgresql", "temporal-password")}
    assert not [document for document in ALL if document["kind"] == "Secret"]
    assert not any("PASSWORD" in name or "PWD" in name for name in settings())


def test_every_file_is_used():
    generated = {file for generator in KUSTOMIZATION["configMapGenerator"] for file in generator.get("files", ())}
    patches = {patch["path"] for patch in KUSTOMIZATION["patches"]}
    used = {*KUSTOMIZATION["resources"], *generated, *patches, "kustomization.yaml"}
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.*")} == used


def test_only_prunella_the_page_and_the_job_call_the_frontend():
    policies = named("NetworkPolicy")
    assert policies["nothing-else"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (rule,) = policies["frontend"]["spec"]["ingress"]
    prunella, own = rule["from"]
    assert prunella["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": "prunella-system"}
    callers = ["prunella-operator", "prunella-worker", "prunella-telemetry"]
    assert prunella["podSelector"]["matchExpressions"][0]["values"] == callers
    assert own["podSelector"]["matchExpressions"][0]["values"] == ["temporal-page", "temporal-namespace"]


def test_the_database_is_reached_by_servers_and_the_schema_job_alone():
    (rule,) = named("NetworkPolicy")["postgresql"]["spec"]["ingress"]
    assert [peer["podSelector"]["matchLabels"] for peer in rule["from"]] == [
        {"app.kubernetes.io/component": "server"},
        {NAME: "temporal-schema"},
    ]


def test_the_namespace_is_restricted():
    labels = named("Namespace")["temporal"]["metadata"]["labels"]
    assert {labels[f"pod-security.kubernetes.io/{mode}"] for mode in ("enforce", "warn", "audit")} == {"restricted"}
