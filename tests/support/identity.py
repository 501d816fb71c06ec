"""Service accounts for Prunella, so that the audit log separates its writes from those of the tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from support.access_control import in_force, shipped
from support.api import Api, Object, path_of
from support.cluster import Cluster
from support.deployments import a_namespace

from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.sync_client import SyncClient

_VALID_FOR = 24 * 3600


@dataclass(frozen=True)
class Identity:
    """A service account and its kubeconfig."""

    user: str
    kubeconfig: Path


@contextmanager
def identity(api: Api, admin_kubeconfig: Path, context: str | None, folder: Path, name: str) -> Iterator[Identity]:
    """Make a namespace with one account that may do everything; both go at the end."""
    meta = {"name": name, "labels": {"prunella.dev/ignore": "true"}}
    subject = {"kind": "ServiceAccount", "namespace": name, "name": "prunella"}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": meta}
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": name, "name": "prunella"}}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}, account)
    api.apply({**binding, "subjects": [subject], "roleRef": role})
    try:
        token = _token(api, name, "prunella")
        yield Identity(f"system:serviceaccount:{name}:prunella", _kubeconfig(admin_kubeconfig, context, folder, token))
    finally:
        api.delete(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}")
        api.delete(f"/api/v1/namespaces/{name}")


@contextmanager
def shipped_identities(
    cluster: Cluster, folder: Path, name: str, people_in: Mapping[str, str]
) -> Iterator[dict[str, Identity]]:
    """Operator and worker with what the manifests give them: accounts, roles in all namespaces, admission policies.

    The policy for people holds in namespaces with the labels `people_in`.
    """
    api, objects = cluster.api, [_limited(obj, people_in) for obj in shipped(name)]
    meta = {"name": name, "labels": {"prunella.dev/ignore": "true"}}
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta}, *objects)
    try:
        made = {part: _shipped_identity(cluster, folder / part, name, part) for part in ("operator", "worker")}
        _await_policies(api, made["operator"], objects)
        yield made
    finally:
        for obj in reversed(objects):
            api.delete(path_of(obj))
        api.delete(f"/api/v1/namespaces/{name}")


def _limited(obj: Object, people_in: Mapping[str, str]) -> Object:
    """The binding of the policy for people limited to those namespaces; everything else as it is."""
    policy = obj.get("spec", {}).get("policyName", "")
    if not policy.startswith("incidents."):
        return obj
    selector = {"namespaceSelector": {"matchLabels": dict(people_in)}}
    return {**obj, "spec": {**obj["spec"], "matchResources": selector}}


def _shipped_identity(cluster: Cluster, folder: Path, name: str, part: str) -> Identity:
    folder.mkdir()
    account = f"prunella-{part}"
    path = _kubeconfig(cluster.kubeconfig, cluster.context, folder, _token(cluster.api, name, account))
    return Identity(f"system:serviceaccount:{name}:{account}", path)


def _await_policies(api: Api, operator: Identity, objects: list[Object]) -> None:
    """Wait until all policies are in force, tried by a request in a namespace that opted in."""
    last = [obj for obj in objects if obj.get("spec", {}).get("policyName", "").startswith("snapshots.")]
    probe = a_namespace(api, "prunella-probe-", heal="enabled")
    try:
        in_force(api, SyncClient(load_access(str(operator.kubeconfig))), probe, *last)
    finally:
        api.delete(f"/api/v1/namespaces/{probe}")


def _token(api: Api, namespace: str, account: str) -> str:
    asked = {"spec": {"expirationSeconds": _VALID_FOR}}
    return str(api.create(f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", asked)["status"]["token"])


def _kubeconfig(admin: Path, context: str | None, folder: Path, token: str) -> Path:
    """A kubeconfig for the admin's server and another user. The token is in a file, as in a pod."""
    access = load_access(str(admin), context)
    (folder / "token").write_text(token)
    cluster: dict[str, object] = {"server": access.server}
    if access.insecure:
        cluster["insecure-skip-tls-verify"] = True
    elif access.ca_path:
        (folder / "ca.crt").write_text(Path(access.ca_path).read_text())
        cluster["certificate-authority"] = "ca.crt"
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "prunella"}}],
        "clusters": [{"name": "tests", "cluster": cluster}],
        "users": [{"name": "prunella", "user": {"tokenFile": "token"}}],
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(body))
    return path
