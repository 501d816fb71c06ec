"""Prunella's accounts, roles and admission policies in a cluster, as manifests/base installs them."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml
from support.api import Api, Object, documents, path_of, until
from support.deployments import gone

from prunella_operator.doctor.rbac import bindings
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.errors import Forbidden

MANIFESTS = Path(__file__).parents[2] / "manifests"
IDENTITY = MANIFESTS / "admission" / "identity.yaml"
HOME = "prunella-system"
RBAC = "/apis/rbac.authorization.k8s.io/v1"


@contextmanager
def installed(api: Api) -> Iterator[None]:
    """Install accounts, roles, their cluster-wide bindings, and the policies that limit the accounts' writes."""
    accounts = [{**account, "metadata": {**account["metadata"], "namespace": HOME}} for account in _base("accounts")]
    wide = [*_base("roles"), *_base("bindings"), *documents(IDENTITY)]
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}, *accounts, *wide)
    try:
        yield
    finally:
        for obj in reversed(wide):
            api.delete(path_of(obj))
        gone(api, f"/api/v1/namespaces/{HOME}")


def _base(name: str) -> list[Object]:
    return documents(MANIFESTS / "base" / f"{name}.yaml")


def allow(api: Api, *namespaces: str) -> None:
    """Do what `prunella rbac NAMESPACE... | kubectl apply -f -` does."""
    api.apply(*yaml.safe_load_all(bindings(namespaces, HOME)))


def shipped(home: str) -> list[Object]:
    """Accounts, roles, bindings in all namespaces, and policies, as the manifests have them for another namespace.

    What is cluster-wide gets names of its own, so that an installation of the same cluster keeps what it has.
    """
    files = [MANIFESTS / "base" / f"{name}.yaml" for name in ("accounts", "roles", "bindings")]
    files += [IDENTITY, MANIFESTS / "admission" / "incidents.yaml"]
    texts = [*(file.read_text() for file in files), bindings((), HOME)]
    found = yaml.safe_load_all("\n---\n".join(texts).replace(HOME, home))
    return [_moved(obj, home) for obj in found if obj]


@contextmanager
def records_kept(api: Api, home: str) -> Iterator[None]:
    """The namespace of the track records, with the rights that the manifests give in it, for accounts of `home`."""
    namespace, *rights = _base("records")
    moved = [_moved(yaml.safe_load(yaml.safe_dump(right).replace(HOME, home)), home) for right in rights]
    api.apply(namespace, *moved)
    try:
        yield
    finally:
        for obj in reversed(moved):
            api.delete(path_of(obj))


def _moved(obj: Object, home: str) -> Object:
    """An account in that namespace, or a cluster-wide object and what it refers to under other names."""
    if obj["kind"] == "ServiceAccount":
        return {**obj, "metadata": {**obj["metadata"], "namespace": home}}
    moved = {**obj, "metadata": {**obj["metadata"], "name": f"{obj['metadata']['name']}.{home}"}}
    if "roleRef" in obj:
        moved["roleRef"] = {**obj["roleRef"], "name": f"{obj['roleRef']['name']}.{home}"}
    if "policyName" in obj.get("spec", {}):
        moved["spec"] = {**obj["spec"], "policyName": f"{obj['spec']['policyName']}.{home}"}
    return moved


def in_force(api: Api, operator: SyncClient, namespace: str, binding: Object | None = None) -> None:
    """Wait until all admission policies are in force. `binding` is that of the snapshots' policy.

    The API server loads them in passes, in any order, while they still come in: the last may be in force before others.
    A pass that begins with a binding made after that has them all.
    """
    body = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "probe"}, "revision": 1}

    def refused() -> bool:
        try:
            operator.call("POST", paths.snapshots(namespace), {**body, "data": {}}, dryRun="All")
        except Forbidden as error:
            return "snapshots of its own" in str(error)
        return False

    until(refused, 60, "the last admission policy is in force")
    binding = binding or documents(IDENTITY)[-1]
    api.delete(path_of(binding))
    until(lambda: not refused(), 60, "the last admission policy is not in force")
    api.apply(binding)
    until(refused, 60, "the admission policies are in force")


def account(api: Api, access: Access, name: str) -> SyncClient:
    """A client of the API server with the token of one of Prunella's ServiceAccounts."""
    return SyncClient(access_of(api, access, name))


def access_of(api: Api, access: Access, name: str) -> Access:
    """The access to the API server of one of Prunella's ServiceAccounts."""
    path = f"/api/v1/namespaces/{HOME}/serviceaccounts/prunella-{name}/token"
    token = api.create(path, {"spec": {"expirationSeconds": 3600}})["status"]["token"]
    theirs = {"cert_path": None, "key_path": None, "authorization": lambda: f"Bearer {token}"}
    return dataclasses.replace(access, **theirs)


def rules(kube, namespace):
    """Every permission in a namespace, as the API server lists them, except those that every account has."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
    status = kube.call("POST", path, {"spec": {"namespace": namespace}})["status"]
    assert not status["incomplete"]
    expanded = expand(status["resourceRules"])
    return {rule for rule in expanded if rule[1] not in {"authorization.k8s.io", "authentication.k8s.io"}}


def expand(given):
    return {
        (verb, group, resource) for rule in given for verb in rule["verbs"]
        for group in rule["apiGroups"] for resource in rule["resources"]
    }  # fmt: skip


def a_hpa(namespace, **meta):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "scaled"}
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 8}},
    }
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "scaled", "namespace": namespace, **meta},
        "spec": {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 2, "metrics": [metric]},
    }
