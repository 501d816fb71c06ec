"""Owners of an object and of its fields: custom resources, annotations of deployment tools, and field managers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.times import parse_time
from prunella_workflows.model.labels import GROUP
from prunella_workflows.model.scaling import FieldOwners
from prunella_workflows.model.signal import OwnerRef

_TOOL_PREFIXES = (
    f"{GROUP}/",
    "argocd.argoproj.io/",
    "kustomize.toolkit.fluxcd.io/",
    "helm.toolkit.fluxcd.io/",
    "meta.helm.sh/",
)
_BUILT_IN_GROUPS = frozenset({"", "apps", "batch"})


class SpecWrite(NamedTuple):
    """The latest time at which a field manager changed a field of the spec, and the fields that it owns (`f:...`)."""

    manager: str
    at: datetime
    fields: frozenset[str]


def custom_owners(meta: Object) -> tuple[OwnerRef, ...]:
    """The owners of an object that are custom resources, whether or not they are marked as its controller."""
    owners = (OwnerRef.model_validate(owner) for owner in meta.get("ownerReferences") or ())
    return tuple(owner for owner in owners if owner.group not in _BUILT_IN_GROUPS)


def tool_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations that guards read; others may hold anything, secrets included."""
    return {key: value for key, value in annotations.items() if key.startswith(_TOOL_PREFIXES)}


def field_owners(meta: Object, **fields: str) -> FieldOwners:
    """The managers of fields of the spec, by the names the caller gives the fields; empty if none are recorded.

    Writes to the status are ignored. Those to the subresource `scale` count, as they set the same replicas.
    """
    entries = _entries(meta)
    return _managers(entries, fields) if entries else {}


def field_appliers(meta: Object, **fields: str) -> FieldOwners:
    """Those of the managers that use server-side apply: the API server refuses their next apply after our write."""
    return _managers([entry for entry in _entries(meta) if entry.get("operation") == "Apply"], fields)


def spec_writes(meta: Object) -> tuple[SpecWrite, ...]:
    """The latest write of each field manager to the spec."""
    found = [(entry, parse_time(entry.get("time"))) for entry in _entries(meta) if _spec_fields(entry)]
    return tuple(
        SpecWrite(str(entry.get("manager", "")), at, frozenset(_spec_fields(entry)))
        for entry, at in found
        if at is not None
    )


def _entries(meta: Object) -> list[Object]:
    return [entry for entry in meta.get("managedFields") or () if entry.get("subresource") != "status"]


def _managers(entries: list[Object], fields: dict[str, str]) -> FieldOwners:
    return {
        name: tuple(sorted({str(entry.get("manager", "")) for entry in entries if f"f:{field}" in _spec_fields(entry)}))
        for name, field in fields.items()
    }


def _spec_fields(entry: Object) -> dict[str, Any]:
    return (entry.get("fieldsV1") or {}).get("f:spec") or {}
