"""The two formats in which the API server answers a list or a watch: protobuf where it can, JSON where it cannot.

Writing protobuf costs the API server a third of what JSON does, and reading it costs us no more: a first list is there
sooner. For custom resources it has JSON only, and some proxies know no other.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeVar, cast

from msgspec import Raw
from msgspec.json import Decoder

from prunella_operator.kubernetes.decoding import Page, PageMetadata, Status, Undecodable, WatchEvent, decode, status_of

PROTOBUF = "application/vnd.kubernetes.protobuf"
ACCEPT = f"{PROTOBUF},application/json"
# A part of a watch holds one object, and etcd holds no object above 1.5 MB: more is not a watch.
LONGEST_PART = 16 * 1024 * 1024
_CHANGE, _PAGE = Decoder(WatchEvent), Decoder(Page)
T = TypeVar("T")


class Listing(NamedTuple):
    """A page of a list. Its objects are taken once, one after the other, so that no more than one is held twice."""

    metadata: PageMetadata
    objects: Iterable[Raw]


class Parts(Protocol):
    """Splits a stream; what is unfinished waits for more."""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The parts that this chunk completes. Raises Undecodable where no part can be so long."""


class Format(Protocol):
    """How the API server writes. All that reads raises Undecodable for bytes that are not what they should be."""

    def parts(self) -> Parts:
        """For one watch: splits it into changes."""

    def change(self, part: bytes) -> WatchEvent:
        """A change, its object still raw."""

    def page(self, body: bytes) -> Listing:
        """A page of a list, its objects still raw."""

    def status(self, raw: bytes | Raw) -> Status:
        """A refusal."""

    def read(self, raw: bytes | Raw, into: type[T], kind: str) -> T:
        """An object of this kind, as far as `into` names its fields."""


class Lines:
    """Splits a stream into lines of any length."""

    def __init__(self) -> None:
        self._pending: list[bytes] = []
        self._length = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that this chunk completes."""
        first, *others = chunk.split(b"\n")
        self._hold(first)
        for part in others:
            line = b"".join(self._pending)
            self._pending, self._length = [], 0
            self._hold(part)
            if line:
                yield line

    def _hold(self, part: bytes) -> None:
        self._pending.append(part)
        self._length += len(part)
        if self._length > LONGEST_PART:
            raise Undecodable(f"a line of more than {LONGEST_PART} bytes")


class Json:
    """JSON, a change per line."""

    def parts(self) -> Lines:
        """For one watch: splits it into lines."""
        return Lines()

    def change(self, part: bytes) -> WatchEvent:
        """A change, its object still raw."""
        return decode(_CHANGE, part)

    def page(self, body: bytes) -> Listing:
        """A page of a list, its objects still raw."""
        page = decode(_PAGE, body)
        return Listing(page.metadata, page.items or ())

    def status(self, raw: bytes | Raw) -> Status:
        """A refusal."""
        return status_of(raw)

    def read(self, raw: bytes | Raw, into: type[T], _kind: str) -> T:
        """An object, as far as `into` names its fields."""
        found: T = decode(_decoder(cast("Any", into)), raw)
        return found


@cache
def _decoder(into: Any) -> Decoder[Any]:
    return Decoder(into)
