"""An API server in memory, behind both of our clients: `FakeKube` (activities) and `FakeRest` (operator).

It keeps objects by path, counts resourceVersion and generation, rejects names that are taken and patches whose tests
fail, and records every write. It does not validate: real responses are covered by the integration tests.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import msgspec

from prunella_operator import clock
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_workflows.model.errors import Conflict, NotFound, PrunellaError, Refused

_REQUIREMENT = re.compile(r"(\w[^,\s]*) (in|notin) \(([^)]*)\)|!([^,]+)|([^,=!]+)=([^,]*)|([^,]+)")


@dataclass
class FakeKube:
    """Objects by path. `writes` records all writes; `before` is called for each request, and may raise."""

    namespace: str = "prunella-system"
    objects: dict = field(default_factory=dict)
    texts: dict = field(default_factory=dict)
    writes: list = field(default_factory=list)
    requests: list = field(default_factory=list)
    before: Callable = lambda _method, _path: None
    _version: count = field(default_factory=lambda: count(100))

    def put(self, path, body, **status):
        """Add an object; its path ends with its name."""
        meta = {"uid": f"uid-{path.rsplit('/', 1)[1]}", "resourceVersion": str(next(self._version)), "generation": 1}
        meta |= {"name": path.rsplit("/", 1)[1], **(body.get("metadata") or {})}
        self.objects[path] = {**copy.deepcopy(body), "metadata": meta} | ({"status": status} if status else {})
        return self.objects[path]

    def of(self, verb):
        """The writes of one verb."""
        return [write for write in self.writes if write[0] == verb]

    def get(self, path, **params):
        self._record("GET", path)
        return copy.deepcopy(self._find(path))

    def list(self, path, **params):
        self._record("GET", path)
        return iter([copy.deepcopy(obj) for obj in self._below(path) if _selected(obj, params)])

    def metadata(self, path, **params):
        return iter([{"metadata": obj["metadata"]} for obj in self.list(path, **params)])

    def text(self, path, **params):
        self._record("GET", path)
        found = self.texts.get(path, NotFound(f"no text {path}"))
        if isinstance(found, Exception):
            raise found
        return found

    def create(self, path, body):
        self._record("POST", path)
        target = f"{path}/{body['metadata']['name']}"
        if target in self.objects:
            raise AlreadyExists(f"{target} already exists")
        self.writes.append(("create", target, body))
        stamp = clock.now().isoformat(timespec="seconds").replace("+00:00", "Z")
        return copy.deepcopy(self.put(target, {**body, "metadata": {"creationTimestamp": stamp, **body["metadata"]}}))

    def json_patch(self, path, operations):
        self._record("PATCH", path)
        real = path.removesuffix("/resize")
        changed = copy.deepcopy(self._find(real))
        for operation in operations:
            _apply(changed, operation)
        self.writes.append(("json_patch", path, operations))
        return self._store(real, changed)

    def merge_patch(self, path, body):
        self._record("PATCH", path)
        real = path.removesuffix("/status")
        live = self._find(real)
        self._check_preconditions(live, body)
        self.writes.append(("merge_patch", path, body))
        changed = _merge(copy.deepcopy(live), body)
        return copy.deepcopy(live) if changed == live else self._store(real, changed)

    def apply(self, path, body):
        self._record("PATCH", path)
        real = path.removesuffix("/status")
        self._check_preconditions(self._find(real), body)
        self.writes.append(("apply", path, body))
        return self._store(real, {**copy.deepcopy(self._find(real)), "status": body["status"]})

    def delete(self, path, uid=None, **seen):
        self._record("DELETE", path)
        self._check_preconditions(self._find(path), {"metadata": seen | ({"uid": uid} if uid else {})})
        self.writes.append(("delete", path, None))
        del self.objects[path]

    def _check_preconditions(self, live, body):
        for key in ("resourceVersion", "uid"):
            if (body.get("metadata") or {}).get(key, live["metadata"][key]) != live["metadata"][key]:
                raise Conflict(f"{key} differs: the object has been modified")

    def _record(self, method, path):
        self.requests.append((method, path))
        self.before(method, path)

    def _find(self, path):
        if path not in self.objects:
            raise NotFound(f"{path} not found")
        return self.objects[path]

    def _below(self, path):
        everywhere = "/namespaces/" not in path
        start, _, plural = path.rpartition("/")
        for key, obj in list(self.objects.items()):
            parent = key.rpartition("/")[0]
            if parent == path or (everywhere and parent.startswith(start) and parent.endswith(f"/{plural}")):
                yield obj

    def _store(self, path, changed):
        if changed.get("spec") != self.objects[path].get("spec"):
            changed["metadata"]["generation"] += 1
        changed["metadata"]["resourceVersion"] = str(next(self._version))
        self.objects[path] = changed
        return copy.deepcopy(changed)


class FakeRest:
    """The same server, as the operator's asynchronous client sees it."""

    def __init__(self, kube=None):
        self.kube = kube or FakeKube()

    async def get(self, path, params=None):
        return self.kube.get(path)

    async def list(self, path, params=None, *, into=dict):
        return tuple([obj async for obj in self.each(path, params, into=into)])

    async def each(self, path, params=None, *, into=dict):
        for obj in self.kube.list(path, **(params or {})):
            yield msgspec.convert(obj, into)

    async def create(self, path, body, params=None):
        return self.kube.create(path, body)

    async def patch(self, path, body, content_type, params=None):
        return self.kube.merge_patch(path, body)

    async def delete(self, path, seen=None):
        self.kube.delete(path, **(seen or {}))


def failing(error: PrunellaError, times=1, method=None, part=""):
    """A `before` that fails the first `times` requests of a method to a path with `part` in it."""
    left = [times]

    def before(asked, path):
        if left[0] and (method is None or asked == method) and part in path:
            left[0] -= 1
            raise error

    return before


def _selected(obj, params):
    labels = obj["metadata"].get("labels") or {}
    for key, how, values, absent, equal, value, present in _REQUIREMENT.findall(params.get("labelSelector", "")):
        has = labels.get(key or absent or equal or present)
        wanted = {part.strip() for part in values.split(",")}
        holds = {
            "in": has in wanted,
            "notin": has not in wanted,
            "": has is None if absent else has is not None if present else has == value,
        }
        if not holds[how]:
            return False
    return all(map(partial(_field_holds, obj), filter(None, params.get("fieldSelector", "").split(","))))


def _field_holds(obj, requirement):
    """One requirement of a field selector: `path=value` or `path!=value`; a field that is not there is ""."""
    path, differs, value = requirement.partition("!=")
    if not differs:
        path, _, value = requirement.partition("=")
    for part in path.removeprefix(".").split("."):
        obj = obj.get(part, "") if isinstance(obj, dict) else ""
    return (str(obj) != value) if differs else (str(obj) == value)


def _apply(node, operation):
    *way, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    try:
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node[part]
        key = int(last) if isinstance(node, list) else last
        if operation["op"] == "test" and node[key] != operation["value"]:
            raise Refused("the server rejected our request due to an error in our request")
        if operation["op"] == "remove" or (operation["op"] == "replace" and isinstance(node, dict)):
            del node[key]
    except (KeyError, IndexError) as error:
        raise Refused(f"the server rejected our request: no {error}") from error
    if operation["op"] in {"add", "replace"}:
        node[key] = copy.deepcopy(operation["value"])


def _merge(node, patch):
    for key, value in patch.items():
        if value is None:
            node.pop(key, None)
        elif isinstance(value, dict):
            node[key] = _merge(node[key] if isinstance(node.get(key), dict) else {}, value)
        else:
            node[key] = value
    return node
