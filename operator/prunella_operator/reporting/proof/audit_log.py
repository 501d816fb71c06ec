"""The audit log of the API server (JSON lines, audit.k8s.io/v1): its writes, and whether lines of it are missing."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta, Raw, field
from msgspec.json import Decoder

from prunella_operator.kubernetes.decoding import Undecodable, WireStruct, decode

_READS = frozenset({"get", "list", "watch"})
_BEGIN, _END = "RequestReceived", "ResponseComplete"
_GRANTED_BELOW = 300
_LONGEST_REQUEST = timedelta(minutes=1)
"""The API server's own limit. A write that began earlier and has no end was cut out of the log."""


_Time = Annotated[datetime, Meta(tz=True)]


class _User(WireStruct, frozen=True):
    username: str


class _Reference(WireStruct, frozen=True):
    resource: str = ""
    api_group: str = ""
    namespace: str = ""
    name: str = ""


class _Status(WireStruct, frozen=True):
    code: int = 0


class _Event(WireStruct, frozen=True):
    kind: Literal["Event"]
    api_version: Literal["audit.k8s.io/v1"]
    level: str
    stage: str
    verb: str
    user: _User
    request_received_timestamp: _Time
    stage_timestamp: _Time
    audit_id: str = field(name="auditID")
    request_uri: str = field(name="requestURI")
    impersonated_user: _User | None = None
    object_ref: _Reference = _Reference()
    response_status: _Status = _Status()
    request_object: Raw = Raw(b"{}")


@dataclass(frozen=True)
class LoggedWrite:
    """A write that was granted. `body` is None where the audit level has no bodies."""

    place: str
    user: str
    verb: str
    path: str
    group: str
    resource: str
    namespace: str
    name: str
    at: datetime
    body: Any


@dataclass(frozen=True)
class AuditLog:
    """The writes of the log that were asked for, in its order, and the time that its events cover."""

    writes: tuple[LoggedWrite, ...]
    events: int
    first: datetime
    last: datetime


def read_audit_log(files: Iterable[Path], wanted: Callable[[LoggedWrite], bool]) -> AuditLog:
    """Read the files of one log, in any order, and keep the writes that are wanted.

    Raises:
        ValueError: a line is no audit event, comes twice, or lines are missing; the message names file and line.
    """
    reader = _Reader(wanted)
    for file in files:
        reader.read(file)
    return reader.result()


class _Reader:
    """Reads line by line. An audit id alone does not tell requests apart: clients may choose their own."""

    def __init__(self, wanted: Callable[[LoggedWrite], bool]) -> None:
        self._wanted = wanted
        self._places: dict[tuple[str, str, datetime], str] = {}
        self._begun: dict[str, tuple[datetime, str]] = {}
        self._ended: set[str] = set()
        self._times: list[datetime] = []
        self._events = 0
        self._writes: list[LoggedWrite] = []

    def read(self, file: Path) -> None:
        try:
            with file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    self._take(_parse(line, place := f"{file}:{number}"), place)
        except OSError as error:
            raise ValueError(f"{file}: {error.strerror}") from error

    def result(self) -> AuditLog:
        if not self._times:
            raise ValueError("the audit log has no events")
        first, last = min(self._times), max(self._times)
        for audit_id, (at, place) in self._begun.items():
            if audit_id not in self._ended and at < last - _LONGEST_REQUEST:
                raise ValueError(f"{place}: request {audit_id} begins here and never ends: lines are missing")
        return AuditLog(tuple(self._writes), self._events, first, last)

    def _take(self, event: _Event, place: str) -> None:
        self._events += 1
        self._extend(event.stage_timestamp)
        if event.verb in _READS:
            return
        self._require_new(event, place)
        if event.stage == _BEGIN:
            self._begun[event.audit_id] = event.stage_timestamp, place
        else:
            self._ended.add(event.audit_id)
        if _is_granted(event) and self._wanted(write := _write(event, place)):
            self._writes.append(write)

    def _require_new(self, event: _Event, place: str) -> None:
        first = self._places.setdefault((event.audit_id, event.stage, event.stage_timestamp), place)
        if first != place:
            raise ValueError(f"{place}: {event.stage} of request {event.audit_id} is in {first} already")

    def _extend(self, at: datetime) -> None:
        self._times = [min([at, *self._times]), max([at, *self._times])]


_decoder = Decoder(_Event)


def _parse(line: bytes, place: str) -> _Event:
    try:
        return decode(_decoder, line.rstrip(b"\n"))
    except Undecodable as error:
        raise ValueError(f"{place}: this is no event of audit.k8s.io/v1: {error}") from error


def _is_granted(event: _Event) -> bool:
    is_rehearsal = "dryRun=All" in event.request_uri.partition("?")[2]
    return event.stage == _END and event.response_status.code < _GRANTED_BELOW and not is_rehearsal


def _write(event: _Event, place: str) -> LoggedWrite:
    author = event.impersonated_user or event.user
    return LoggedWrite(
        place=place,
        user=author.username,
        verb=event.verb,
        path=event.request_uri.partition("?")[0],
        group=event.object_ref.api_group,
        resource=event.object_ref.resource,
        namespace=event.object_ref.namespace,
        name=event.object_ref.name,
        at=event.request_received_timestamp,
        body=None if event.level == "Metadata" else _body(event, place),
    )


def _body(event: _Event, place: str) -> Any:
    try:
        return json.loads(bytes(event.request_object))
    except RecursionError as error:
        raise ValueError(f"{place}: the body of this request is nested too deeply") from error
