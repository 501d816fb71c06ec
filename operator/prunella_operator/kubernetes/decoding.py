"""What the API server sends, as far as Prunella reads it: metadata, list pages, watch changes, refusals.

msgspec skips what is not named here without building it, which is what keeps 10,000 pods cheap.
This is the wire, not our model: nothing here may travel further than the module that decoded it.
"""

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from msgspec import DecodeError, MsgspecError, Raw, Struct, field
from msgspec.json import Decoder

from prunella_workflows.model.labels import IGNORE

T = TypeVar("T")


class Undecodable(Exception):
    """Bytes that are not what they should be. Never leaves the module that decodes."""


class WireStruct(Struct, frozen=True, gc=False, rename="camel"):
    """The base of what is decoded. Not tracked by the garbage collector, as JSON has no cycles."""


class Labels(WireStruct, frozen=True):
    """Labels or annotations, of which only the opt-out is read."""

    ignore: str | None = field(name=IGNORE, default=None)


class Owner(WireStruct, frozen=True):
    """An owner reference."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Metadata(WireStruct, frozen=True):
    """Who an object is."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    generation: int = 0
    labels: Labels | None = None
    annotations: Labels | None = None
    owner_references: tuple[Owner, ...] | None = None
    deletion_timestamp: datetime | None = None

    @property
    def ignored(self) -> bool:
        """Whether the object's owner asked Prunella to leave it alone."""
        return any(marks is not None and marks.ignore == "true" for marks in (self.labels, self.annotations))

    @property
    def controller(self) -> Owner | None:
        """The owner that controls the object, if any."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)


class HeadMetadata(WireStruct, frozen=True):
    """What can be read of an object that is otherwise undecodable, and all that a bookmark has."""

    uid: str = ""
    resource_version: str = ""


class ObjectHead(WireStruct, frozen=True):
    """Any object, reduced to its identity."""

    metadata: HeadMetadata = HeadMetadata()


class PageMetadata(WireStruct, frozen=True):
    """Where a list page stands."""

    resource_version: str = ""
    continue_: str = field(name="continue", default="")


class Page(WireStruct, frozen=True):
    """One page of a list; items are decoded one by one, so that one bad object does not cost the page."""

    metadata: PageMetadata = PageMetadata()
    items: list[Raw] | None = None


class WatchEvent(WireStruct, frozen=True):
    """One line of a watch."""

    type: str
    object: Raw


class Details(WireStruct, frozen=True):
    """More about a refusal."""

    retry_after_seconds: int | None = None


class Status(WireStruct, frozen=True):
    """A refusal in the API server's own words."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: Details | None = None


def decode(decoder: Decoder[T], data: bytes | Raw) -> T:
    """The decoded value. Broken JSON, wrong types, bad UTF-8 and absurd nesting all end in Undecodable."""
    try:
        return decoder.decode(data)
    except (DecodeError, MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable(f"{type(error).__name__}: {error}") from error


_STATUS = Decoder(Status)


def status_of(body: bytes | Raw) -> Status:
    """The refusal in these bytes of JSON."""
    return decode(_STATUS, body)


def read_status(body: bytes | Raw, code: int = 0, read: Callable[[bytes | Raw], Status] = status_of) -> Status:
    """The refusal in an answer; whatever is not a Status (a proxy's page, say) becomes one with its first words."""
    try:
        status = read(body)
    except Undecodable:
        return Status(message=bytes(body)[:200].decode(errors="replace"), code=code)
    return status if status.code or not code else Status(status.message, status.reason, code, status.details)
