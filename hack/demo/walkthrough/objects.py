"""Kubernetes objects from YAML files: applied server-side, and recorded for removal."""

from pathlib import Path
from typing import Any

import yaml

from prunella_operator.kubernetes.api import APPLY_PATCH, Api
from prunella_workflows.model.errors import NotFound

MANAGER = "prunella-demo"
Object = dict[str, Any]


class Applier:
    """Applies objects and records which of them it created."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}
        self._created: list[str] = []

    def apply_file(self, path: Path) -> list[Object]:
        """Apply all objects of a file, in order."""
        return self.apply([document for document in yaml.safe_load_all(path.read_text()) if document])

    def apply(self, objects: list[Object]) -> list[Object]:
        """Apply objects and return them as stored."""
        return [self._apply(obj) for obj in objects]

    def _apply(self, obj: Object) -> Object:
        path = self.path(obj)
        try:
            self._api.call("GET", path)
        except NotFound:
            self._created.append(path)
        return self._api.call("PATCH", path, obj, APPLY_PATCH, fieldManager=MANAGER, force="true")

    def path(self, obj: Object) -> str:
        """The API path of an object."""
        version, metadata = obj["apiVersion"], obj["metadata"]
        plural, namespaced = self._find_resource(version, obj["kind"])
        scope = f"/namespaces/{metadata.get('namespace', 'default')}" if namespaced else ""
        return f"{_group(version)}{scope}/{plural}/{metadata['name']}"

    def _find_resource(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._resources:
            for resource in self._api.call("GET", _group(version))["resources"]:
                if "/" not in resource["name"]:
                    self._resources[version, resource["kind"]] = (resource["name"], resource["namespaced"])
        if (version, kind) not in self._resources:
            raise NotFound(f"the API server has no {kind} in {version}")
        return self._resources[version, kind]

    def remove(self) -> None:
        """Delete what was created, in reverse order."""
        while self._created:
            try:
                self._api.call("DELETE", self._created.pop(), {"propagationPolicy": "Background"})
            except NotFound:
                continue


def _group(version: str) -> str:
    return f"/apis/{version}" if "/" in version else f"/api/{version}"
