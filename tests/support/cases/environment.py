"""Surroundings of a case's workload: webhooks, admission policies, nodes, runtimes, Secrets.

All of it concerns the case's own namespace or pods only, and what is cluster-scoped is deleted at the end.
"""

from typing import Any

from support.api import Object, path_of, until
from support.cases import builders as shop
from support.cases.run import CaseRun

from prunella_workflows.model.errors import PrunellaError

CLOSED_PORT = "127.0.0.1:1"
"""Nothing listens there: every connection is refused."""
NO_SUCH_IMAGE = "prunella.local/shop:none"
"""Its registry answers that it has no such image."""
_PODS = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}


def add(run: CaseRun, kind: str, version: str, **fields: Any) -> None:
    """Make a cluster-scoped object that is called as the namespace is."""
    obj = {"apiVersion": version, "kind": kind, "metadata": {"name": run.namespace}, **fields}
    run.api.apply(obj)
    run.cluster_scoped.append(path_of(obj))


def _here(run: CaseRun) -> Object:
    return {"matchLabels": {"kubernetes.io/metadata.name": run.namespace}}


def webhook_down(run: CaseRun) -> None:
    """A webhook that must be asked about every new pod, and does not answer."""
    hook = {
        "name": "pods.shop.example.org",
        "clientConfig": {"url": f"https://{CLOSED_PORT}/"},
        "rules": [_PODS],
        "namespaceSelector": _here(run),
        "failurePolicy": "Fail",
        "timeoutSeconds": 2,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    add(run, "ValidatingWebhookConfiguration", "admissionregistration.k8s.io/v1", webhooks=[hook])
    until(lambda: trial(run) is None, 30, "pods are refused")


def admit_only(run: CaseRun, expression: str, wait: bool = True) -> None:
    """Refuse new pods for which the expression is false. `wait`: until those of the shop are refused."""
    rules = {"resourceRules": [_PODS]}
    wish = {"matchConstraints": rules, "validations": [{"expression": expression, "message": "not in this shop"}]}
    add(run, "ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1", spec=wish)
    binding = {"policyName": run.namespace, "validationActions": ["Deny"]}
    binding |= {"matchResources": {"namespaceSelector": _here(run)}}
    add(run, "ValidatingAdmissionPolicyBinding", "admissionregistration.k8s.io/v1", spec=binding)
    if wait:
        until(lambda: trial(run) is None, 30, "pods are refused")


def trial(run: CaseRun) -> Object | None:
    """A new pod of the shop as the API server would accept it; None where it is refused. Nothing is made."""
    template = shop.app(run)[1]["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "trial"}, "spec": template["spec"]}
    try:
        return run.api.create(f"/api/v1/namespaces/{run.namespace}/pods", pod, dryRun="All")
    except PrunellaError:  # a webhook that is down counts as a failure of the server
        return None


def _node(run: CaseRun) -> str:
    (node,) = run.api.items("/api/v1/nodes")
    return f"/api/v1/nodes/{node['metadata']['name']}"


def _mark(run: CaseRun) -> str:
    """A label or resource that only this case's pods ask for."""
    return f"shop.example.org/{run.namespace}"


def label_node(run: CaseRun, value: str | None) -> shop.Edit:
    """A mark of the node that only this case's pods ask for: without it the node is as good as cordoned for them."""
    run.api.patch(_node(run), {"metadata": {"labels": {_mark(run): value}}})
    return shop.pods(nodeSelector={_mark(run): "yes"})


def seats(run: CaseRun, count: int) -> None:
    """The node's capacity of a resource that only this case's pods ask for."""
    amounts = {_mark(run): str(count)}
    run.api.patch(f"{_node(run)}/status", {"status": {"capacity": amounts, "allocatable": amounts}})


def seated(run: CaseRun, count: int = 1) -> shop.Edit:
    """Ask for that many seats."""

    def edit(obj: Object) -> None:
        resources = shop.pod_spec(obj)["containers"][0]["resources"]
        for kind in ("requests", "limits"):
            resources[kind] = {**resources[kind], _mark(run): str(count)}

    return edit


def runtime(run: CaseRun, handler: str) -> shop.Edit:
    """A container runtime of that name; pods that name the class are started by it."""
    path = f"/apis/node.k8s.io/v1/runtimeclasses/{run.namespace}"
    run.api.delete(path)
    until(lambda: run.api.find(path) is None, 30, "the former one is deleted")
    add(run, "RuntimeClass", "node.k8s.io/v1", handler=handler)
    return shop.pods(runtimeClassName=run.namespace)


def neighbour(run: CaseRun, *edits: shop.Edit) -> None:
    """A pod of another team, which Prunella ignores."""
    _, workload = shop.app(run, *edits)
    meta = {"name": "neighbour", "namespace": run.namespace, "labels": {"prunella.dev/ignore": "true"}}
    pod = shop.pod_spec(workload)
    pod["containers"][0].pop("envFrom")
    run.api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": pod})
    path = f"/api/v1/namespaces/{run.namespace}/pods/neighbour"
    until(lambda: run.api.get(path)["status"].get("phase") == "Running", 60, "the neighbour runs")


def secret(run: CaseRun, **data: str) -> shop.Edit:
    """The Secret `token`, and the edit by which the server reads it at its start."""
    meta = {"name": "token", "namespace": run.namespace}
    run.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data})
    return WITH_SECRET


def no_secret(run: CaseRun) -> None:
    """Delete it."""
    run.api.delete(f"/api/v1/namespaces/{run.namespace}/secrets/token")


WITH_SECRET = shop.server(envFrom=[{"configMapRef": {"name": shop.NAME}}, {"secretRef": {"name": "token"}}])
