"""Every kustomization renders, and an API server takes what it renders, CRDs, admission policies and all."""

from pathlib import Path

import pytest
import yaml
from support.access_control import HOME
from support.api import MANAGER
from support.deployments import gone
from support.installation import relative_path
from support.keda import with_keda

from prunella_operator.kubernetes.api import APPLY_PATCH

pytestmark = [pytest.mark.integration, pytest.mark.timeout(180)]

MANIFESTS = Path(__file__).parents[2] / "manifests"
OVERLAYS = sorted((MANIFESTS / "overlays").iterdir())
BASES = [MANIFESTS / "admission", MANIFESTS / "base", *OVERLAYS]


def rendered(cluster, folder):
    return [document for document in yaml.safe_load_all(cluster.kubectl("kustomize", str(folder))) if document]


def path_of(api, document):
    """The path of an object, by the API server's discovery."""
    version = document["apiVersion"]
    prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
    (kind,) = [
        resource
        for resource in api.get(prefix)["resources"]
        if resource["kind"] == document["kind"] and "/" not in resource["name"]
    ]
    scope = f"/namespaces/{document['metadata']['namespace']}" if kind["namespaced"] else ""
    return f"{prefix}{scope}/{kind['name']}/{document['metadata']['name']}"


@pytest.fixture(scope="module")
def system_namespace(cluster, api):
    """Prunella's namespace, and that of the track records, as strict as the manifests make them."""
    namespaces = [document for document in rendered(cluster, MANIFESTS / "base") if document["kind"] == "Namespace"]
    for namespace in namespaces:
        api.apply(namespace)
    yield HOME
    for namespace in namespaces:
        gone(api, f"/api/v1/namespaces/{namespace['metadata']['name']}")


@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_the_api_server_takes_what_is_rendered(cluster, api, kube, system_namespace, folder):
    objects, query = rendered(cluster, folder), {"dryRun": "All", "fieldManager": MANAGER, "force": "true"}
    assert objects
    for obj in objects:
        kube.call("PATCH", path_of(api, obj), obj, APPLY_PATCH, **query)


@pytest.mark.parametrize("folder", BASES[1:], ids=lambda path: path.name)
def test_pods_are_what_the_namespace_asks_for(cluster, kube, system_namespace, folder):
    """Pod Security rejects pods but only warns about Deployments, so the pod is sent."""
    for obj in rendered(cluster, folder):
        if obj["kind"] == "Deployment":
            template = obj["spec"]["template"]
            template["spec"].pop("priorityClassName")  # it is not installed here
            template["spec"]["serviceAccountName"] = "default"
            meta = {**template["metadata"], "name": obj["metadata"]["name"]}
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
            kube.call("POST", f"/api/v1/namespaces/{system_namespace}/pods", body, dryRun="All")


@pytest.mark.parametrize("folder", OVERLAYS, ids=lambda path: path.name)
def test_an_overlay_names_an_image_and_a_temporal_server(cluster, folder):
    objects = rendered(cluster, folder)
    images = {
        container["image"]
        for obj in objects
        if obj["kind"] == "Deployment"
        for container in obj["spec"]["template"]["spec"]["containers"]
    }
    ending = "-embedded" if folder.name == "quickstart" else ""
    assert images == {f"prunella.local/prunella{ending}:0.1.0"}
    (settings,) = [obj["data"] for obj in objects if obj["kind"] == "ConfigMap"]
    assert settings["PRUNELLA_TEMPORAL_ADDRESS"].startswith("temporal")
    replicas = {obj["metadata"]["name"]: obj["spec"].get("replicas") for obj in objects if obj["kind"] == "Deployment"}
    assert replicas["prunella-worker"] == {"quickstart": 1, "production": None}[folder.name]


def test_keda_takes_the_place_of_the_autoscaler_and_asks_the_same_temporal(cluster, tmp_path):
    theirs = {"temporal_address": "mine.example.org:7233", "temporal_namespace": "mine"}
    objects = {document["kind"]: document for document in with_keda(cluster, tmp_path, **theirs)}
    assert "HorizontalPodAutoscaler" not in objects
    asked = objects["ScaledObject"]["spec"]["triggers"][0]["metadata"]
    assert (asked["endpoint"], asked["namespace"]) == tuple(theirs.values())


@pytest.fixture
def telemetry_namespace(api):
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "telemetry", "labels": labels}})
    yield "telemetry"
    gone(api, "/api/v1/namespaces/telemetry")


def test_the_api_server_takes_the_parts_around_the_telemetry_pipeline(cluster, api, kube, telemetry_namespace):
    objects, query = rendered(cluster, MANIFESTS / "telemetry"), {"dryRun": "All", "fieldManager": MANAGER}
    assert {"StatefulSet", "Job", "ClusterRole", "NetworkPolicy"} <= {obj["kind"] for obj in objects}
    for obj in objects:
        kube.call("PATCH", path_of(api, obj), obj, APPLY_PATCH, force="true", **query)
        if obj["kind"] in {"StatefulSet", "Job"}:
            template = obj["spec"]["template"]
            template["spec"] |= {"serviceAccountName": "default", "restartPolicy": "Always"}
            claims = [one["metadata"]["name"] for one in obj["spec"].get("volumeClaimTemplates", ())]
            template["spec"]["volumes"] += [{"name": name, "emptyDir": {}} for name in claims]
            meta = {**template["metadata"], "name": obj["metadata"]["name"]}
            body = {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}
            kube.call("POST", f"/api/v1/namespaces/{telemetry_namespace}/pods", body, dryRun="All")


KEDAS = {"ScaledObject", "TriggerAuthentication"}
"""Kinds that this API server does not know: test_keda.py sends them."""


@pytest.fixture
def with_telemetry(cluster, tmp_path):
    """The objects of the overlay for production with the components of the telemetry pipeline, by kind and name."""
    places = {
        "resources": ["overlays/production"],
        "components": ["components/telemetry", "components/telemetry-keda"],
    }
    body = {kind: [relative_path(tmp_path, MANIFESTS / place) for place in found] for kind, found in places.items()}
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return {(obj["kind"], obj["metadata"]["name"]): obj for obj in rendered(cluster, tmp_path)}


def test_the_telemetry_worker_has_its_image_its_secret_and_kafka(with_telemetry):
    for name in ("prunella-telemetry", "prunella-worker"):
        spec = with_telemetry["Deployment", name]["spec"]["template"]["spec"]
        assert spec["containers"][0]["image"] == "prunella.local/prunella-telemetry:0.1.0"
        mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
        assert mounts["telemetry"] == "/etc/prunella/telemetry"
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert volumes["telemetry"]["secret"]["secretName"] == "prunella-telemetry"
    console = with_telemetry["Deployment", "prunella-console"]["spec"]["template"]["spec"]
    assert console["containers"][0]["image"] == "prunella.local/prunella-telemetry:0.1.0"
    (secret,) = [volume["secret"] for volume in console["volumes"] if volume["name"] == "telemetry"]
    assert secret["items"] == [{"key": "console-database-url", "path": "database-url"}]
    operator = with_telemetry["Deployment", "prunella-operator"]["spec"]["template"]["spec"]
    assert operator["containers"][0]["image"] == "prunella.local/prunella:0.1.0"
    (settings,) = [obj["data"] for (kind, _), obj in with_telemetry.items() if kind == "ConfigMap"]
    asked = with_telemetry["ScaledObject", "prunella-telemetry"]["spec"]["triggers"]
    brokers = {trigger["metadata"]["bootstrapServers"] for trigger in asked}
    assert {trigger["authenticationRef"]["name"] for trigger in asked} == {"prunella-telemetry"}
    assert brokers == {settings["PRUNELLA_TELEMETRY_KAFKA"]}


def test_the_api_server_takes_the_telemetry_worker(api, kube, system_namespace, with_telemetry):
    for (kind, name), obj in with_telemetry.items():
        if name.startswith(("prunella-telemetry", "telemetry")) and kind not in KEDAS:
            kube.call("PATCH", path_of(api, obj), obj, APPLY_PATCH, dryRun="All", fieldManager=MANAGER, force="true")
