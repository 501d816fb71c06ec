"""The audit log of the API server (JSON lines, audit.k8s.io/v1): its writes, and whether lines of it are missing.

It is read line by line. Of a line that is not wanted only a short hash is kept.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs

from msgspec import Meta, Raw, field
from msgspec.json import Decoder

from prunella_operator.json_text import InvalidFile, parse_json
from prunella_operator.kubernetes.decoding import Undecodable, WireStruct, decode

_READS = frozenset({"get", "list", "watch"})
_BEGIN, _END = "RequestReceived", "ResponseComplete"
_GRANTED_BELOW = 300
_ALL = "All"
_DELETIONS = frozenset({"delete", "deletecollection"})
_LONGEST_REQUEST = timedelta(minutes=1)
"""The API server's own limit. A write that began earlier and has no end was cut out of the log."""


_Time = Annotated[datetime, Meta(tz=True)]


class _User(WireStruct, frozen=True):
    """The sender; "" for a request that was refused before that was known."""

    username: str = ""


class _Reference(WireStruct, frozen=True):
    resource: str = ""
    api_group: str = ""
    namespace: str = ""
    name: str = ""
    subresource: str = ""


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
    """A write that was granted. `body` is None where the audit level has no bodies.

    `user` sent it; `impersonated` is the name that it was sent in, "" for the user's own.
    """

    place: str
    user: str
    impersonated: str
    verb: str
    path: str
    group: str
    resource: str
    subresource: str
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
        InvalidFile: a line is no audit event, comes twice, or lines are missing; the message names file and line.
    """
    reader = _Reader(wanted)
    for file in files:
        reader.read(file)
    return reader.result()


class _Reader:
    """Reads line by line. An audit id alone does not tell requests apart: clients may choose their own."""

    def __init__(self, wanted: Callable[[LoggedWrite], bool]) -> None:
        self._wanted = wanted
        self._files: list[Path] = []
        self._lines: dict[bytes, tuple[int, int]] = {}
        self._begun: dict[str, tuple[datetime, str]] = {}
        self._ended: set[bytes] = set()
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._events = 0
        self._writes: list[LoggedWrite] = []

    def read(self, file: Path) -> None:
        self._files.append(file)
        try:
            with file.open("rb") as lines:
                for number, line in enumerate(lines, start=1):
                    self._take(_parse(line, f"{file}:{number}"), number)
        except OSError as error:
            raise InvalidFile(f"{file}: {error.strerror}") from error

    def result(self) -> AuditLog:
        if self._first is None or self._last is None:
            raise InvalidFile("the audit log has no events")
        for audit_id, (at, place) in self._begun.items():
            if _hash(audit_id) not in self._ended and at < self._last - _LONGEST_REQUEST:
                raise InvalidFile(f"{place}: request {audit_id} begins here and never ends: lines are missing")
        return AuditLog(tuple(self._writes), self._events, self._first, self._last)

    def _take(self, event: _Event, number: int) -> None:
        self._events += 1
        self._extend(event.stage_timestamp)
        if event.verb in _READS:
            return
        place = f"{self._files[-1]}:{number}"
        self._require_new(event, number)
        if event.stage == _BEGIN:
            self._begun[event.audit_id] = event.stage_timestamp, place
        else:
            self._end(event.audit_id)
        if _is_granted(event, place) and self._wanted(write := _write(event, place)):
            self._writes.append(replace(write, body=_body(event, place)))

    def _end(self, audit_id: str) -> None:
        """Forget a request that began in these lines; files may come in any order, so its begin may follow."""
        if self._begun.pop(audit_id, None) is None:
            self._ended.add(_hash(audit_id))

    def _require_new(self, event: _Event, number: int) -> None:
        key = _hash(f"{event.audit_id} {event.stage} {event.stage_timestamp.isoformat()}")
        here = len(self._files) - 1, number
        first = self._lines.setdefault(key, here)
        if first != here:
            known = f"{self._files[first[0]]}:{first[1]}"
            raise InvalidFile(
                f"{self._files[-1]}:{number}: {event.stage} of request {event.audit_id} is in {known} already"
            )

    def _extend(self, at: datetime) -> None:
        self._first = at if self._first is None else min(at, self._first)
        self._last = at if self._last is None else max(at, self._last)


_decoder = Decoder(_Event)


def _hash(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).digest()


def _parse(line: bytes, place: str) -> _Event:
    try:
        return decode(_decoder, line.rstrip(b"\n"))
    except Undecodable as error:
        reason = str(error) if line.endswith(b"\n") else f"the last line has no end, so it is cut off: {error}"
        raise InvalidFile(f"{place}: this is no event of audit.k8s.io/v1: {reason}") from error


def _is_granted(event: _Event, place: str) -> bool:
    is_made = event.stage == _END and event.response_status.code < _GRANTED_BELOW
    return is_made and not _is_rehearsal(event, place)


def _is_rehearsal(event: _Event, place: str) -> bool:
    """Report whether it is a dry run. A deletion with options in its body has these, and not those of its query."""
    asked = _ALL in parse_qs(event.request_uri.partition("?")[2]).get("dryRun", ())
    body = _body(event, place) if event.verb in _DELETIONS else None
    return _ALL in (body.get("dryRun") or ()) if isinstance(body, dict) and body else asked


def _write(event: _Event, place: str) -> LoggedWrite:
    """The write without its body."""
    return LoggedWrite(
        place=place,
        user=event.user.username,
        impersonated=event.impersonated_user.username if event.impersonated_user is not None else "",
        verb=event.verb,
        path=event.request_uri.partition("?")[0],
        group=event.object_ref.api_group,
        resource=event.object_ref.resource,
        subresource=event.object_ref.subresource,
        namespace=event.object_ref.namespace,
        name=event.object_ref.name,
        at=event.request_received_timestamp,
        body=None,
    )


def _body(event: _Event, place: str) -> Any:
    if event.level == "Metadata":
        return None
    return parse_json(bytes(event.request_object), f"{place}: the body of this request")
