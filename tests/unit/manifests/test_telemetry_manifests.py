"""manifests/telemetry: what must hold between its files, and of each pod. That it works is an integration test."""

import re
from pathlib import Path

import pytest
import yaml
from localcluster import jars, sources
from support.api import documents
from telemetrystack.kafka import DEAD, PARTITIONS, SIGNALS

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.kafka.configuration import GROUP

MANIFESTS = Path(__file__).parents[3] / "manifests"
FOLDER = MANIFESTS / "telemetry"
KUSTOMIZATION = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())
ALL = [document for name in KUSTOMIZATION["resources"] for document in documents(FOLDER / name)]
WORKLOADS = [document for document in ALL if document["kind"] in {"StatefulSet", "Job"}]
COLLECTOR = yaml.safe_load((FOLDER / "files" / "collector.yaml").read_text())
WORKER = documents(MANIFESTS / "components" / "telemetry" / "worker.yaml")[0]
NAME = "app.kubernetes.io/name"
by_workload = pytest.mark.parametrize("workload", WORKLOADS, ids=lambda document: document["metadata"]["name"])


def named(kind):
    return {document["metadata"]["name"]: document for document in ALL if document["kind"] == kind}


def pod(workload):
    return workload["spec"]["template"]["spec"]


def container(workload):
    (only,) = pod(workload)["containers"]
    return only


def tag(image):
    return {each["name"]: each["newTag"] for each in KUSTOMIZATION["images"]}[image]


@by_workload
def test_pods_are_hardened(workload):
    assert pod(workload)["securityContext"]["runAsNonRoot"] is True
    assert pod(workload)["securityContext"]["runAsUser"] > 0
    assert pod(workload)["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod(workload)["enableServiceLinks"] is False
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_only_the_collector_may_ask_the_api_server_and_only_read():
    with_token = {
        one["metadata"]["name"] for one in WORKLOADS if pod(one).get("automountServiceAccountToken") is not False
    }
    assert with_token == {"telemetry-collector"}
    (role,) = named("ClusterRole").values()
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {
        "pods",
        "namespaces",
        "replicasets",
    }


@by_workload
def test_pods_have_resources_and_what_stays_has_probes(workload):
    main = container(workload)
    assert main["resources"]["requests"].keys() == {"cpu", "memory"}
    assert main["resources"]["limits"].keys() == {"memory"}
    if workload["kind"] != "Job":
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= main.keys()


@by_workload
def test_selectors_find_the_pods_and_services_their_ports(workload):
    labels = workload["spec"]["template"]["metadata"]["labels"]
    assert labels[NAME] == workload["metadata"]["name"]
    if workload["kind"] != "Job":
        assert workload["spec"]["selector"]["matchLabels"] == {NAME: labels[NAME]}
        service = named("Service")[workload["spec"]["serviceName"]]["spec"]
        assert service["selector"] == {NAME: labels[NAME]}
        ports = {port["name"]: port["containerPort"] for port in container(workload)["ports"]}
        assert all(port["port"] == ports[port["targetPort"]] for port in service["ports"])


def test_what_is_deployed_is_the_version_that_is_tested():
    pom = re.search(r"<artifactId>kafka_2.13</artifactId>\s*<version>(.*?)<", jars.KAFKA.pom.read_text())[1]
    assert tag("apache/kafka") == pom
    module = (sources.COLLECTOR.folder / "go.mod").read_text()
    assert tag("otel/opentelemetry-collector-contrib") == re.search(r"/kafkaexporter v(\S+)", module)[1]


def test_timescaledb_runs_on_a_postgresql_that_newer_versions_support():
    assert int(tag("timescale/timescaledb").rpartition("pg")[2]) >= 16


def test_topics_are_those_of_the_settings_the_collector_and_the_tests():
    script = (FOLDER / "files" / "topics.sh").read_text()
    exporter = COLLECTOR["exporters"]["kafka"]
    assert re.search(r"for topic in (.*); do", script)[1].split() == list(SIGNALS)
    assert tuple(exporter[signal]["topic"] for signal in ("traces", "metrics", "logs")) == SIGNALS
    settings = [f"telemetry_{signal}_topic" for signal in ("traces", "metrics", "logs")]
    assert tuple(Settings.model_fields[name].default for name in settings) == SIGNALS
    assert f"--partitions {PARTITIONS} " in script
    assert f"--topic {DEAD} " in script
    assert Settings.model_fields["telemetry_dead_topic"].default == DEAD


def test_every_client_has_its_permissions_and_admin_and_the_brokers_have_all():
    script = (FOLDER / "files" / "topics.sh").read_text()
    (signals,) = re.findall(r'^signals="(.*)"$', script, re.MULTILINE)
    assert signals == " ".join(f"--topic {topic}" for topic in SIGNALS)
    assert re.findall(r"^allow (.*)$", script, re.MULTILINE) == [
        "collector --operation Write $signals",
        f"prunella --operation Read $signals --group {GROUP}",
        f"prunella --operation Write --topic {DEAD}",
        f"keda --operation Describe $signals --group {GROUP}",
    ]
    properties = dict(line.split("=", 1) for line in _lines(FOLDER / "files" / "server.properties"))
    assert properties["super.users"] == "User:admin;User:CN=telemetry-kafka"
    assert "allow.everyone.if.no.acl.found" not in properties


def test_the_collector_loses_nothing_and_keeps_traces_together():
    exporter = COLLECTOR["exporters"]["kafka"]
    assert exporter["producer"]["required_acks"] == -1
    assert exporter["producer"]["allow_auto_topic_creation"] is False
    assert exporter["partition_traces_by_id"] is True
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"
    assert exporter["sending_queue"]["block_on_overflow"] is True
    assert exporter["sending_queue"]["storage"] in COLLECTOR["extensions"]


def test_a_batch_of_the_collector_is_smaller_than_what_kafka_takes():
    properties = dict(line.split("=", 1) for line in _lines(FOLDER / "files" / "server.properties"))
    exporter = COLLECTOR["exporters"]["kafka"]
    assert exporter["sending_queue"]["batch"]["max_size"] < exporter["producer"]["max_message_bytes"]
    assert exporter["producer"]["max_message_bytes"] < int(properties["message.max.bytes"])
    assert int(properties["message.max.bytes"]) <= int(properties["replica.fetch.max.bytes"])


def test_only_what_is_named_by_its_connection_is_believed_of_traces():
    processors = COLLECTOR["service"]["pipelines"]["traces"]["processors"]
    assert processors == ["memory_limiter", "resource/claims", "k8sattributes"]


def test_every_broker_is_a_voter():
    voters = dict(line.split("=", 1) for line in _lines(FOLDER / "files" / "server.properties"))
    names = re.findall(r"@([\w.-]+):9093", voters["controller.quorum.voters"])
    brokers = named("StatefulSet")["telemetry-kafka"]["spec"]["replicas"]
    assert names == [f"telemetry-kafka-{number}.telemetry-kafka.telemetry.svc" for number in range(brokers)]


def test_nobody_writes_a_password_down():
    secrets = {
        (variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"])
        for workload in WORKLOADS
        for variable in container(workload).get("env", ())
        if "secretKeyRef" in variable.get("valueFrom", {})
    }
    keys = ("postgres-password", "telemetry-password", "grafana-password")
    users = {("telemetry-kafka-users", name) for name in ("admin", "collector")}
    assert secrets == {("telemetry-database", key) for key in keys} | users
    assert not [document for document in ALL if document["kind"] == "Secret"]


def test_kafka_and_the_database_are_reached_by_their_own_clients_alone():
    policies = named("NetworkPolicy")
    assert policies["nothing-else"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    clients, brokers = policies["kafka"]["spec"]["ingress"]
    inside, worker = clients["from"]
    assert inside["podSelector"]["matchExpressions"][0]["values"] == ["telemetry-collector", "telemetry-topics"]
    assert worker["podSelector"]["matchLabels"] == {NAME: WORKER["metadata"]["name"]}
    assert brokers["ports"] == [{"port": "controller"}, {"port": "brokers"}]
    (rule,) = policies["database"]["spec"]["ingress"]
    assert [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule["from"]] == [
        "prunella-system",
        "monitoring",
    ]
    readers = rule["from"][0]["podSelector"]["matchExpressions"][0]["values"]
    assert readers == ["prunella-telemetry", "prunella-worker", "prunella-console"]


def test_every_file_is_used():
    generated = {file for generator in KUSTOMIZATION["configMapGenerator"] for file in generator["files"]}
    used = {*KUSTOMIZATION["resources"], *generated, "kustomization.yaml"}
    assert {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*.*")} == used


def test_the_worker_may_ask_the_cluster_nothing():
    assert pod(WORKER)["automountServiceAccountToken"] is False
    assert container(WORKER)["args"] == ["telemetry", "worker"]


def _lines(path):
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
