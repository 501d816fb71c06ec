"""JSON schemas of the resources, for editors and for kubeconform: what the API server's schema says, strictly."""

import json
from typing import Any

from crdgen.schema import Schema

_DIALECT = "http://json-schema.org/draft-07/schema#"


def render(crd: dict[str, Any]) -> str:
    """Render the schema of the only version of a CRD."""
    (version,) = crd["spec"]["versions"]
    root = _strict(version["schema"]["openAPIV3Schema"])
    root["properties"] |= {
        "apiVersion": {"const": f"{crd['spec']['group']}/{version['name']}"},
        "kind": {"const": crd["spec"]["names"]["kind"]},
    }
    root["required"] = ["apiVersion", "kind", "metadata", *root["required"]]
    return json.dumps({"$schema": _DIALECT, **root}, indent=1) + "\n"


def _strict(node: Schema) -> Schema:
    """A node without Kubernetes' own keywords, in which an unknown field is an error."""
    found = {key: value for key, value in node.items() if not key.startswith("x-kubernetes-")}
    if node.get("x-kubernetes-int-or-string"):
        found["type"] = ["integer", "string"]
    if found.pop("exclusiveMinimum", False):  # a flag in OpenAPI 3.0, a number in JSON schema
        found["exclusiveMinimum"] = found.pop("minimum")
    if "properties" in node:
        found["properties"] = {name: _strict(child) for name, child in node["properties"].items()}
        found["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if key in node:
            found[key] = _strict(node[key])
    return found
