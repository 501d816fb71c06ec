"""Who owns an object's fields: the marks of tools, and the field managers that the API server keeps account of."""

from collections.abc import Mapping
from typing import Any

from prunella_operator.kubernetes.api import Object
from prunella_workflows.model.labels import GROUP
from prunella_workflows.model.scaling import FieldOwners

_MARKS = (
    f"{GROUP}/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
)


def marks(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that guards look at; others may hold anything, secrets included."""
    return {key: value for key, value in annotations.items() if key.startswith(_MARKS)}


def owners(meta: Object, **fields: str) -> FieldOwners:
    """Who manages fields of the spec, by the names that the caller gives them; empty when the object does not tell.

    Writes to the status are left aside; those to the subresource `scale` count, as they set the same replicas.
    """
    entries = [
        managedfield for managedfield in meta.get("managedFields") or () if managedfield.get("subresource") != "status"
    ]
    if not entries:
        return {}
    return {
        name: tuple(sorted({str(entry.get("manager", "")) for entry in entries if f"f:{field}" in _of_spec(entry)}))
        for name, field in fields.items()
    }


def _of_spec(entry: Object) -> dict[str, Any]:
    return (entry.get("fieldsV1") or {}).get("f:spec") or {}
