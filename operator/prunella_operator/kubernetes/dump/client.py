"""A client whose API server is a dump: it answers reads from files, and refuses every write."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.dump.files import Dump, ObjectId, ResourceId, plural
from prunella_operator.kubernetes.dump.logs import LogId
from prunella_operator.kubernetes.request import Request, Response
from prunella_operator.kubernetes.selectors import matches, parse_selector
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Forbidden, NotFound

SYSTEM_NAMESPACE = "prunella-system"
"""The namespace of the Secrets that a ClusterHealingPolicy names, where there is no installation."""
_CORE = "v1"
_DISCOVERY = "/api/v1"
_MEASUREMENTS = "metrics.k8s.io/"
_PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?P<log>/log)?)?"
)


class Lack(NamedTuple):
    """Something that was asked for and that the dump does not have. `name`: which one of the resource, if not all."""

    resource: str
    namespace: str = ""
    name: str = ""


class DumpClient(SyncClient):
    """Answers one diagnosis. `lacks` are what it asked for and the dump does not have, in that order.

    Prunella's own objects in the dump do not count: `policies` are the only ones.
    """

    def __init__(self, dump: Dump, policies: tuple[Object, ...] = ()) -> None:
        self._dump = dump
        self._policies = policies
        self._lacks: dict[Lack, None] = {}

    @property
    def server(self) -> str:
        """Its name in messages."""
        return "the dump"

    @property
    def namespace(self) -> str:
        """The namespace of the Secrets that a ClusterHealingPolicy names."""
        return SYSTEM_NAMESPACE

    @property
    def lacks(self) -> tuple[Lack, ...]:
        """All that was missed so far."""
        return tuple(self._lacks)

    def close(self) -> None:
        """Nothing is open."""

    def _request(self, request: Request) -> Response:
        if request.method != "GET":
            raise Forbidden("a dump cannot be changed")
        if request.path == _DISCOVERY:
            self._miss(Lack("resources"))
            return _respond({"resources": []})
        path = _PATH.fullmatch(request.path)
        if path is None:
            raise NotFound(f"a dump has nothing at {request.path}")
        if path["log"]:
            return Response(200, self._log(path, request.params).encode(), {})
        if path["name"]:
            return _respond(self._object(path))
        return _respond({"metadata": {}, "items": list(self._list(path, request.params))})

    def _miss(self, lack: Lack) -> None:
        self._lacks[lack] = None

    def _object(self, path: re.Match[str]) -> Object:
        """One object. Raises NotFound, or Forbidden where the dump cannot tell whether it exists."""
        resource, namespace, name = _resource(path), path["namespace"] or "", path["name"]
        found = self._dump.of(resource).get(ObjectId(namespace, name))
        if found is not None:
            return found.raw
        if self._has(resource, namespace):
            raise NotFound(f"the dump has no {resource.plural}/{name}")
        self._miss(Lack(resource.plural, namespace))
        if resource == (_CORE, "namespaces"):
            return {"metadata": {"name": name}}
        raise Forbidden(f"the dump has no {resource.plural}/{name}")

    def _list(self, path: re.Match[str], params: Mapping[str, str]) -> Iterator[Object]:
        resource, namespace = _resource(path), path["namespace"] or ""
        if resource.api_version == labels.API_VERSION:
            yield from (raw for raw in self._policies if _is_selected(raw, resource, namespace))
            return
        if resource.api_version.startswith(_MEASUREMENTS):
            self._miss(Lack("measurements"))
            raise NotFound("a dump has no measurements")
        if not self._has(resource, namespace):
            self._miss(Lack(resource.plural, namespace))
        selector, fields = parse_selector(params.get("labelSelector", "")), params.get("fieldSelector", "")
        for name, found in self._dump.of(resource).items():
            marks = found.raw["metadata"].get("labels") or {}
            if namespace in ("", name.namespace) and matches(selector, marks) and _has_fields(found.raw, fields):
                yield found.raw

    def _has(self, resource: ResourceId, namespace: str) -> bool:
        """True if the dump has objects of a resource in a namespace, or at least the list."""
        return (resource, namespace) in self._dump.listed or (not namespace and bool(self._dump.of(resource)))

    def _log(self, path: re.Match[str], params: Mapping[str, str]) -> str:
        """The log of one run of a container. That of its current one is the last one while it does not run."""
        current = LogId(path["namespace"], path["name"], params["container"])
        previous = current._replace(previous=True)
        wanted = [current] if "previous" not in params else [previous, *([current] if self._is_down(current) else [])]
        text = next((self._dump.logs[log] for log in wanted if log in self._dump.logs), None)
        if text is None:
            run = "the previous run of " if "previous" in params else ""
            self._miss(Lack("logs", current.namespace, f"{run}container {current.container} of pod {current.pod}"))
            raise NotFound("the dump has no such log")
        return "\n".join(text.splitlines()[-int(params["tailLines"]) :])

    def _is_down(self, log: LogId) -> bool:
        """True while a container waits to be started again, so that the kubelet's log is that of the run before."""
        pod = self._dump.of(ResourceId(_CORE, "pods")).get(ObjectId(log.namespace, log.pod))
        status = (pod.raw.get("status") or {}) if pod is not None else {}
        states = (*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ()))
        own: Object = next((state for state in states if state.get("name") == log.container), {})
        return "running" not in (own.get("state") or {})


def _resource(path: re.Match[str]) -> ResourceId:
    group = f"{path['group']}/" if path["group"] else ""
    return ResourceId(group + path["version"], path["plural"])


def _is_selected(policy: Object, resource: ResourceId, namespace: str) -> bool:
    """True for a policy of this resource in this namespace. One without a namespace, as in a file, is in all."""
    own = policy["metadata"].get("namespace", namespace)
    return plural(policy["kind"]) == resource.plural and own == namespace


def _has_fields(raw: Object, selector: str) -> bool:
    """True if an object has the values of a field selector that has equalities of its first level only."""
    pairs = (part.partition("=") for part in selector.split(",") if part)
    return all(raw.get(key) == value for key, _, value in pairs)


def _respond(value: Any) -> Response:
    return Response(200, json.dumps(value).encode(), {})
