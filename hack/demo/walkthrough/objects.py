"""Kubernetes objects from YAML files: applied on the server side, and remembered, so that they can be removed again."""

from pathlib import Path
from typing import Any

import yaml

from prunella_operator.kubernetes.api import APPLY_PATCH, Api
from prunella_workflows.model.errors import NotFound

MANAGER = "prunella-demo"
Object = dict[str, Any]


class Applier:
    """Applies objects and knows which of them were not there before."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}
        self._created: list[str] = []

    def file(self, path: Path) -> list[Object]:
        """Apply all objects of a file, in its order."""
        return self.all([document for document in yaml.safe_load_all(path.read_text()) if document])

    def all(self, objects: list[Object]) -> list[Object]:
        """Apply objects; the answers."""
        return [self._apply(obj) for obj in objects]

    def _apply(self, obj: Object) -> Object:
        path = self.path(obj)
        try:
            self._api.call("GET", path)
        except NotFound:
            self._created.append(path)
        return self._api.call("PATCH", path, obj, APPLY_PATCH, fieldManager=MANAGER, force="true")

    def path(self, obj: Object) -> str:
        """Where an object lives."""
        version, metadata = obj["apiVersion"], obj["metadata"]
        plural, namespaced = self._kind(version, obj["kind"])
        scope = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{_group(version)}{scope}/{plural}/{metadata['name']}"

    def _kind(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._kinds:
            for known in self._api.call("GET", _group(version))["resources"]:
                if "/" not in known["name"]:
                    self._kinds[version, known["kind"]] = (known["name"], known["namespaced"])
        if (version, kind) not in self._kinds:
            raise NotFound(f"the API server knows no {kind} in {version}")
        return self._kinds[version, kind]

    def remove(self) -> None:
        """Delete what was created, the last first."""
        while self._created:
            try:
                self._api.call("DELETE", self._created.pop(), {"propagationPolicy": "Background"})
            except NotFound:
                continue


def _group(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
