"""A service account for Prunella, so that the audit log separates its writes from those of the tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from support.api import Api

from prunella_operator.kubernetes.access import load_access

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
        asked = {"spec": {"expirationSeconds": _VALID_FOR}}
        answer = api.create(f"/api/v1/namespaces/{name}/serviceaccounts/prunella/token", asked)
        path = _kubeconfig(admin_kubeconfig, context, folder, answer["status"]["token"])
        yield Identity(f"system:serviceaccount:{name}:prunella", path)
    finally:
        api.delete(f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}")
        api.delete(f"/api/v1/namespaces/{name}")


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
