"""The three CRDs: schemas from the models, everything else from `definitions`. And their JSON schemas, for editors."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml

from crdgen import json_schema
from crdgen.schema import Schema, SchemaBuilder
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.incident_status import IncidentStatus
from prunella_workflows.model.labels import GROUP, VERSION
from prunella_workflows.model.outcome import Cause
from prunella_workflows.model.plan import Action
from prunella_workflows.model.policy import BUILT_IN, ClusterHealingPolicySpec, HealingPolicySpec
from prunella_workflows.model.policy_status import PolicyStatus

DEFINITIONS = Path(__file__).resolve().parents[1] / "definitions"
ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "crds"
SCHEMAS = ROOT / "schemas" / GROUP
_HEADER = "# Generated from the models by `make crds`; do not edit. Limits and rules: hack/crds/definitions.\n"
_MODELS: Mapping[str, Mapping[str, type[Value]]] = {
    "incidents": {"spec": IncidentSpec, "status": IncidentStatus},
    "healingpolicies": {"spec": HealingPolicySpec, "status": PolicyStatus},
    "clusterhealingpolicies": {"spec": ClusterHealingPolicySpec, "status": PolicyStatus},
}
_ENUMS = {
    "$causes": [cause.value for cause in Cause if cause is not Cause.UNKNOWN],
    "$actions": [action.model_fields["kind"].default for action in get_args(get_args(Action)[0])],
}
"""Enums that a definition may name: plain strings in the models, which must tolerate the values of a newer release."""


def files() -> Iterator[tuple[Path, str]]:
    """Each file with the text it should have. Names of JSON schemas are those that kubeconform's catalogues use."""
    for plural in _MODELS:
        crd = _crd(plural)
        text = yaml.dump(crd, Dumper=_Dumper, sort_keys=False, width=118, allow_unicode=True)
        yield FOLDER / f"{plural}.yaml", _HEADER + text
        yield SCHEMAS / f"{crd['spec']['names']['singular']}_{VERSION}.json", json_schema.render(crd)


def _crd(plural: str) -> dict[str, Any]:
    definition = yaml.safe_load((DEFINITIONS / f"{plural}.yaml").read_text())
    names = {"plural": plural, **definition["names"]}
    version = {"name": VERSION, "served": True, "storage": True, **definition["version"]}
    version["schema"] = {"openAPIV3Schema": _root(plural, definition)}
    labels = dict.fromkeys(("app.kubernetes.io/name", "app.kubernetes.io/part-of"), "prunella")
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}", "labels": labels},
        "spec": {"group": GROUP, "scope": definition["scope"], "names": names, "versions": [version]},
    }


def _root(plural: str, definition: Mapping[str, Any]) -> Schema:
    validation = _validation(definition)
    kind = definition["names"]["kind"]
    properties: Schema = {
        "apiVersion": {"type": "string", "description": f"Version of this API, {GROUP}/{VERSION}."},
        "kind": {"type": "string", "description": f"Always {kind}."},
        "metadata": {"type": "object"},
    }
    for part, model in _MODELS[plural].items():
        # A policy's unset field must stay unset, and a status claims nothing: only an Incident's spec has defaults.
        defaults = plural == "incidents" and part == "spec"
        built_in = {} if plural == "incidents" else dict(_flatten(BUILT_IN.to_object(), "spec"))
        properties[part] = SchemaBuilder(validation, built_in, defaults=defaults).build(model, part)
    return {"type": "object", **definition["root"], "required": ["spec"], "properties": properties}


def _flatten(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, below in value.items():
            yield from _flatten(below, f"{path}.{name}")
    else:
        yield path, (str(value).lower() if isinstance(value, bool) else str(value)) or '""'


def _validation(definition: Mapping[str, Any]) -> dict[str, Schema]:
    shared = definition.get("shared")
    below = _validation(yaml.safe_load((DEFINITIONS / shared).read_text())) if shared else {}
    own = {path: _fill_enum(schema) for path, schema in definition["validation"].items()}
    return {path: below.get(path, {}) | own.get(path, {}) for path in (*below, *own)}


def _fill_enum(schema: Schema) -> Schema:
    return schema | ({"enum": _ENUMS[schema["enum"]]} if isinstance(schema.get("enum"), str) else {})


class _Dumper(yaml.SafeDumper):
    """Without anchors, which kubectl reads but people do not."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML's signature
        return True
