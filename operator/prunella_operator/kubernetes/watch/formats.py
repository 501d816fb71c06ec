"""The two formats in which the API server sends lists and watches: protobuf where it can, JSON where it cannot.

Protobuf costs the API server a third of what JSON does, and us no more to decode, so a first list completes sooner.
Custom resources are available in JSON only, and some proxies support nothing else.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from msgspec import Raw
from msgspec.json import Decoder

from prunella_operator.kubernetes.decoding import Page, PageMetadata, Status, Undecodable, WatchEvent, decode

PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPT = f"{PROTOBUF},application/json"
# An event of a watch holds one object, and etcd stores no object above 1.5 MB: anything larger is not a watch.
MAX_FRAME_BYTES = 16 * 1024 * 1024
_EVENT, _PAGE = Decoder(WatchEvent), Decoder(Page)
T = TypeVar("T")


class Listing(NamedTuple):
    """A page of a list. Its objects can be iterated once, so that no more than one of them is held twice."""

    metadata: PageMetadata
    objects: Iterable[Raw]


class Splitter(Protocol):
    """Splits a stream into frames, buffering an incomplete one."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The frames that this chunk completes. Raises Undecodable where a frame would be too long."""


class Format(Protocol):
    """A wire format of the API server. All decoding methods raise Undecodable for malformed bytes."""

    splitter: type[Splitter]

    def event(self, frame: bytes) -> WatchEvent:
        """An event of a watch, its object not yet decoded."""

    def page(self, body: bytes) -> Listing:
        """A page of a list, its objects not yet decoded."""

    def read(self, raw: bytes | Raw, into: type[T], kind: str) -> T:
        """An object of this kind, with the fields that `into` names."""

    def status(self, raw: bytes | Raw) -> Status:
        """An error response."""
        return self.read(raw, Status, "Status")


class LineSplitter:
    """Splits a stream into lines of any length."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that this chunk completes."""
        first, *others = chunk.split(b"\n")
        self._buffer(first)
        for part in others:
            line = b"".join(self._pending)
            self._pending, self._length = [], 0
            self._buffer(part)
            if line:
                yield line

    def _buffer(self, part: bytes) -> None:
        self._pending.append(part)
        self._length += len(part)
        if self._length > MAX_FRAME_BYTES:
            raise Undecodable(f"a line of more than {MAX_FRAME_BYTES} bytes")


class Json(Format):
    """JSON, an event per line."""

    splitter = LineSplitter

    def event(self, frame: bytes) -> WatchEvent:
        """An event of a watch, its object not yet decoded."""
        return decode(_EVENT, frame)

    def page(self, body: bytes) -> Listing:
        """A page of a list, its objects not yet decoded."""
        page = decode(_PAGE, body)
        return Listing(page.metadata, page.items or ())

    def read(self, raw: bytes | Raw, into: type[T], _kind: str) -> T:
        """An object, with the fields that `into` names."""
        found: T = decode(_decoder(cast("Any", into)), raw)
        return found


@cache
def _decoder(into: Any) -> Decoder[Any]:
    return Decoder(into)
