"""Plain requests to an API server about the CRDs, and small specs that it accepts."""

import json
import time
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from kubernetes import config

from prunella_workflows.model.incident_status import IncidentStatus

CRDS = Path(__file__).parents[2] / "crds"
GROUP = "/apis/prunella.dev/v1alpha1"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PLURALS = {
    "Incident": "incidents",
    "HealingPolicy": "healingpolicies",
    "ClusterHealingPolicy": "clusterhealingpolicies",
}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
NOW = datetime(2026, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)


class Answer:
    """Status, decoded body and warnings of one request."""

    def __init__(self, response):
        self.code = response.status
        self.body = json.loads(response.data) if response.data.startswith(b"{") else {"message": response.data.decode()}
        self.warnings = response.headers.getlist("Warning")

    def ok(self) -> dict[str, Any]:
        assert self.code < 300, self.body.get("message")
        return self.body

    @property
    def refusal(self) -> str:
        assert self.code in {400, 422}, f"expected a refusal, got {self.code}: {self.body}"
        return self.body["message"]


class Server:
    """Plain requests: the tests are about the server's responses, so no client may change them."""

    def __init__(self, kubeconfig):
        self._client = config.new_client_from_config(config_file=str(kubeconfig))
        auth = self._client.configuration.auth_settings().values()
        self._headers = {parameter["key"]: parameter["value"] for parameter in auth if parameter["in"] == "header"}

    def __call__(self, method, path, body=None, content="application/json", accept="application/json", **query):
        url = f"{self._client.configuration.host}{path}?{urllib.parse.urlencode(query)}"
        data = None if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        headers = self._headers | {"Content-Type": content, "Accept": accept}
        return Answer(self._client.rest_client.pool_manager.request(method, url, body=data, headers=headers))


def path_of(kind: str, namespace: str) -> str:
    return (
        f"{GROUP}/{PLURALS[kind]}" if kind.startswith("Cluster") else f"{GROUP}/namespaces/{namespace}/{PLURALS[kind]}"
    )


def until(done, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not (result := done()):
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.1)
    return result


TARGETED = {"type": "OOMKilled", "target": {"kind": "Deployment", "name": "checkout"}}
POD = {"type": "PodCrashLoop", "podName": "checkout-6f7d9c5b8-x2x7k"}
CHECK = {"name": "error-rate", "query": "sum(errors)", "threshold": 0.05}


def write_status(server, incident, status: IncidentStatus) -> Answer:
    """As the operator writes it: server-side apply on the status subresource."""
    where = incident["metadata"]
    body = {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": where["name"], "namespace": where["namespace"]},
        "status": status.to_object(),
    }
    path = f"{path_of('Incident', where['namespace'])}/{where['name']}/status"
    return server("PATCH", path, body, APPLY, fieldManager="prunella", force="true", fieldValidation="Strict")


def an_alert_rule(*patterns, **values):
    return {"alerts": {"rules": [{"name": "own", "alertname": pattern, **values} for pattern in patterns]}}
