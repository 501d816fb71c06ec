"""Owners of an object's fields: annotations of deployment tools, and the field managers that the API server records."""

from collections.abc import Mapping
from typing import Any

from prunella_operator.kubernetes.api import Object
from prunella_workflows.model.labels import GROUP
from prunella_workflows.model.scaling import FieldOwners

_TOOL_PREFIXES = (
    f"{GROUP}/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
)


def tool_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that guards read; others may hold anything, secrets included."""
    return {key: value for key, value in annotations.items() if key.startswith(_TOOL_PREFIXES)}


def field_owners(meta: Object, **fields: str) -> FieldOwners:
    """The managers of fields of the spec, by the names the caller gives the fields; empty if none are recorded.

    Writes to the status are ignored. Those to the subresource `scale` count, as they set the same replicas.
    """
    entries = [entry for entry in meta.get("managedFields") or () if entry.get("subresource") != "status"]
    if not entries:
        return {}
    return {
        name: tuple(sorted({str(entry.get("manager", "")) for entry in entries if f"f:{field}" in _spec_fields(entry)}))
        for name, field in fields.items()
    }


def _spec_fields(entry: Object) -> dict[str, Any]:
    return (entry.get("fieldsV1") or {}).get("f:spec") or {}
