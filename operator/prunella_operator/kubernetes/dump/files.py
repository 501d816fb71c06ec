"""Read a folder of what `kubectl get -o json`, `kubectl logs` and `kubectl cluster-info dump` write.

Files of objects may have any name. Logs are those of `cluster-info dump` (`NAMESPACE/POD/logs.txt`, all containers) and
of single containers: `NAMESPACE/POD/CONTAINER.log`, and `CONTAINER.previous.log` for the run before.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from msgspec import ValidationError, convert

from prunella_operator.json_text import InvalidFile, parse_json
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.decoding import WireStruct
from prunella_operator.kubernetes.dump.logs import LogId, is_log, read_logs

_EXPECTED = "expected a Kubernetes object with apiVersion and kind, as `kubectl get -o json` writes it"
_TIMES = frozenset(
    {
        "creationTimestamp", "startTime", "startedAt", "finishedAt", "completionTime", "lastTransitionTime",
        "lastUpdateTime", "lastProbeTime", "lastHeartbeatTime", "firstTimestamp", "lastTimestamp", "eventTime",
    }
)  # fmt: skip
"""The fields that hold a time at which something happened, so never one to come."""


class ResourceId(NamedTuple):
    """A resource of the API: `apps/v1` and `deployments`."""

    api_version: str
    plural: str


class ObjectId(NamedTuple):
    """The name of an object among those of its resource; without a namespace it belongs to the cluster."""

    namespace: str
    name: str


@dataclass(frozen=True)
class DumpedObject:
    """An object and its place: the file, and the position in its list."""

    place: str
    raw: Object


@dataclass(frozen=True)
class Dump:
    """The objects and logs of a folder. `at`: the newest time in it, which is taken for that of the dump.

    `listed`: the resources of which the folder has at least a list, with the namespace of each; the list may be empty.
    """

    at: datetime
    objects: dict[ResourceId, dict[ObjectId, DumpedObject]]
    listed: frozenset[tuple[ResourceId, str]]
    logs: dict[LogId, str]

    def of(self, resource: ResourceId) -> dict[ObjectId, DumpedObject]:
        """The objects of a resource."""
        return self.objects.get(resource, {})


def read_dump(folder: Path) -> Dump:
    """Read all files of a folder and of those in it, but for hidden ones.

    Raises:
        InvalidFile: a file cannot be read, is truncated, or is neither an object nor a log; or there is no object. The
            message names the file and the place in it.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path, folder))
    found = [each for path in files if not is_log(path) for each in _objects(_parse(path), str(path), path.parent.name)]
    objects: dict[ResourceId, dict[ObjectId, DumpedObject]] = {}
    for each in found:
        if each.object is not None:
            _keep_newer(objects.setdefault(each.resource, {}), each.object)
    if not objects:
        raise InvalidFile(f"{folder}: there is no Kubernetes object in it")
    newest = max((at for same in objects.values() for each in same.values() for at in _times(each)), default=None)
    if newest is None:
        raise InvalidFile(f"{folder}: no object in it has a time")
    listed = frozenset((each.resource, each.namespace) for each in found)
    return Dump(newest, objects, listed, dict(log for path in files if is_log(path) for log in read_logs(path)))


def plural(kind: str) -> str:
    """The name of the resource of a kind, by the API's own rule."""
    name = kind.lower()
    if name.endswith("y"):
        return name.removesuffix("y") + "ies"
    return name + ("es" if name.endswith(("s", "x", "ch")) else "s")


class _Owner(WireStruct, frozen=True):
    """An owner reference, whole."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None


class _Metadata(WireStruct, frozen=True):
    """The metadata that relates objects."""

    name: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    owner_references: tuple[_Owner, ...] | None = None


class _Identified(WireStruct, frozen=True):
    """Any object."""

    metadata: _Metadata


class _Found(NamedTuple):
    """An object, or only that a list of its resource is there."""

    resource: ResourceId
    namespace: str
    object: DumpedObject | None = None


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _parse(path: Path) -> Any:
    """The JSON of a file, whose encoding may be any that Unicode has: PowerShell writes UTF-16."""
    try:
        return parse_json(path.read_bytes(), str(path))
    except OSError as error:
        raise InvalidFile(f"{path}: {error}") from error


def _objects(value: Any, place: str, folder: str) -> Iterator[_Found]:
    """The objects of a list, or the one object. Items of typed lists leave out what the list says already.

    Typed lists are written by `cluster-info dump`, into the folder of their namespace.
    """
    if not isinstance(value, dict) or not all(isinstance(value.get(key), str) for key in ("apiVersion", "kind")):
        raise InvalidFile(f"{place}: {_EXPECTED}")
    kind, items = value["kind"].removesuffix("List"), value.get("items")
    if not value["kind"].endswith("List"):
        yield _single(value, place)
        return
    if not isinstance(items, list | None) or any(not isinstance(item, dict) for item in items or ()):
        raise InvalidFile(f"{place}: items: {_EXPECTED}")
    if kind:
        yield _Found(ResourceId(value["apiVersion"], plural(kind)), folder)
    own = {"apiVersion": value["apiVersion"], "kind": kind} if kind else {}
    for number, item in enumerate(items or ()):
        yield from _objects({**own, **item}, f"{place}: items[{number}]", folder)


def _single(raw: Object, place: str) -> _Found:
    try:
        meta = convert(raw, _Identified).metadata
    except ValidationError as error:
        raise InvalidFile(f"{place}: {error}: {_EXPECTED}") from error
    return _Found(ResourceId(raw["apiVersion"], plural(raw["kind"])), meta.namespace, DumpedObject(place, raw))


def _keep_newer(known: dict[ObjectId, DumpedObject], found: DumpedObject) -> None:
    """Add an object. Of one that is in several files the newer version counts."""
    meta = found.raw["metadata"]
    name = ObjectId(meta.get("namespace", ""), meta["name"])
    if name not in known or _version(found) > _version(known[name]):
        known[name] = found


def _version(found: DumpedObject) -> int:
    version = str(found.raw["metadata"].get("resourceVersion", ""))
    return int(version) if version.isascii() and version.isdigit() else 0


def _times(found: DumpedObject) -> Iterator[datetime]:
    """All times at which something happened to an object."""
    for key, text in _named_texts(found.raw):
        try:
            at = datetime.fromisoformat(text)
        except ValueError as error:
            raise InvalidFile(f"{found.place}: {key}: {error}") from error
        if at.tzinfo is None:
            raise InvalidFile(f"{found.place}: {key}: {text!r} has no time zone")
        yield at


def _named_texts(value: Any) -> Iterator[tuple[str, str]]:
    """The fields of `_TIMES` that are set, wherever they are."""
    children: Iterable[Any] = value
    if isinstance(value, dict):
        yield from ((key, text) for key, text in value.items() if key in _TIMES and isinstance(text, str))
        children = value.values()
    for child in children:
        if isinstance(child, dict | list):
            yield from _named_texts(child)
