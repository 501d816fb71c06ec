"""Bindings that let Prunella repair, in single namespaces or in the whole cluster."""

from typing import Any

import yaml

from prunella_operator.doctor.permissions import REPAIR, SNAPSHOTS

_GROUP = "rbac.authorization.k8s.io"
_ACCOUNTS = {REPAIR: "prunella-worker", SNAPSHOTS: "prunella-operator"}
_LABELS = {"app.kubernetes.io/part-of": "prunella"}


def bindings(namespaces: tuple[str, ...], accounts: str) -> str:
    """YAML of RoleBindings in each of these namespaces, else of ClusterRoleBindings, for accounts in `accounts`."""
    objects = [_binding(role, namespace, accounts) for namespace in namespaces or ("",) for role in _ACCOUNTS]
    return yaml.safe_dump_all(objects, sort_keys=False)


def _binding(role: str, namespace: str, accounts: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{_GROUP}/v1",
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": role} | ({"namespace": namespace} if namespace else {}) | {"labels": dict(_LABELS)},
        "roleRef": {"apiGroup": _GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": _ACCOUNTS[role], "namespace": accounts}],
    }
