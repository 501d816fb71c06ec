"""The CRDs as they are in the tree, on a real API server."""

import shutil

import pytest
import yaml
from support.crds import (
    APPLY,
    CRDS,
    DEFINITIONS,
    MERGE,
    PLURALS,
    TARGETED,
    Server,
    path_of,
    until,
)


@pytest.fixture(scope="module")
def server(kubeconfig):
    return Server(kubeconfig)


@pytest.fixture(scope="module")
def crds(server):
    """The CRDs as they are in the tree, established. They stay: others may be using the cluster."""
    for path in sorted(CRDS.glob("*.yaml")):
        name = yaml.safe_load(path.read_text())["metadata"]["name"]
        answer = server(
            "PATCH", f"{DEFINITIONS}/{name}", path.read_text(), APPLY, fieldManager="prunella-tests", force="true"
        )
        answer.ok()
        assert answer.warnings == []
    for kind in PLURALS:
        until(lambda kind=kind: server("POST", path_of(kind, "default"), {}, dryRun="All").code != 404)


@pytest.fixture(scope="module")
def namespace(server, crds):
    labels = {"prunella.dev/ignore": "true"}  # an operator in the same cluster must leave our incidents alone
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"generateName": "crds-", "labels": labels}}
    name = server("POST", "/api/v1/namespaces", body).ok()["metadata"]["name"]
    yield name
    server("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def create(server, namespace):
    """Create an object; by default only as a dry run, which the server validates in full."""

    def _create(kind, spec, dry_run=True, **query):
        body = {"apiVersion": "prunella.dev/v1alpha1", "kind": kind, "metadata": {"generateName": "t-"}, "spec": spec}
        query |= {"dryRun": "All"} if dry_run else {}
        return server("POST", path_of(kind, namespace), body, **query)

    return _create


@pytest.fixture
def opened(server, namespace, create):
    """An incident that exists, and the function that patches it."""
    incident = create("Incident", TARGETED | {"containerName": "server"}, dry_run=False).ok()
    path = f"{path_of('Incident', namespace)}/{incident['metadata']['name']}"

    def patch(spec, **query):
        return server("PATCH", path, {"spec": spec}, MERGE, **query)

    return incident, patch


@pytest.fixture
def kubectl(kubeconfig):
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")

    def command(*arguments):
        # A client that is more than one version away from the server says so: that is no concern of these tests.
        return [program, "--kubeconfig", str(kubeconfig), *arguments]

    return command
