"""Output of kustomize and of Helm, in a form that can be compared."""

import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from support.access_control import HOME, MANIFESTS
from support.api import Object
from support.cluster import ROOT
from support.installation import CHART, relative_path
from support.pods import Manifests
from support.programs import program

Key = tuple[str, str]

# Who installed it: Helm says so on each object, kustomize on some.
_OWNER_LABELS = {
    "helm.sh/chart",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/part-of",
    "app.kubernetes.io/version",
}
_OWNER_ANNOTATIONS = {"checksum/settings", "helm.sh/resource-policy"}
_UNORDERED = {"env", "volumes", "volumeMounts"}


def overlay(folder: Path, name: str, *components: str) -> dict[Key, Object]:
    """The objects of an overlay with components, by kind and name. `folder` is for a file of this test."""
    body = {
        "resources": [relative_path(folder, MANIFESTS / "overlays" / name)],
        "components": [relative_path(folder, MANIFESTS / "components" / part) for part in components],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(body))
    return _by_name(Manifests(folder).objects)


def helm(*arguments: str | Path) -> str:
    """The output of a command of Helm, run in the repository.

    Raises:
        subprocess.CalledProcessError: it failed; `stderr` has its words.
    """
    line = [program("helm"), *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True, timeout=120, cwd=ROOT).stdout


def chart(*arguments: str | Path, namespace: str = HOME) -> dict[Key, Object]:
    """The objects that the chart would install, by kind and name."""
    line = ("template", "prunella", CHART, "--skip-tests", *arguments, "--namespace", namespace)
    return _by_name(yaml.safe_load_all(helm(*line)))


def _by_name(documents: Iterable[Object | None]) -> dict[Key, Object]:
    found = [_normal(document) for document in documents if document]
    return {(document["kind"], document["metadata"]["name"]): document for document in found}


def _normal(node: Any, key: str = "") -> Any:
    """Without what only says who installed it, without the hash in the ConfigMap's name, and lists by name."""
    if isinstance(node, dict):
        owner = {"labels": _OWNER_LABELS, "annotations": _OWNER_ANNOTATIONS}.get(key, set())
        pairs = {name: _normal(value, name) for name, value in node.items() if name not in owner}
        return {name: value for name, value in pairs.items() if value or name not in {"labels", "annotations"}}
    if isinstance(node, list):
        items = [_normal(item) for item in node]
        return sorted(items, key=lambda item: item["name"]) if key in _UNORDERED else items
    return re.sub(r"^(prunella-settings)-[a-z0-9]{10}$", r"\1", node) if isinstance(node, str) else node
