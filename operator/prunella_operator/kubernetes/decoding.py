"""The API server's responses as Prunella decodes them. Fields not named here are skipped, which keeps pods cheap.

These are wire types, not our model: they must not leave the module that decoded them.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TypeVar

from msgspec import DecodeError, MsgspecError, Raw, Struct, field
from msgspec.json import Decoder

from prunella_workflows.model.labels import IGNORE

T = TypeVar("T")


class Undecodable(Exception):
    """Malformed bytes. Never leaves the module that decodes."""


class WireStruct(Struct, frozen=True, gc=False, rename="camel"):
    """Base of all decoded types. Not tracked by the garbage collector, as JSON has no cycles."""


class Labels(WireStruct, frozen=True):
    """Labels or annotations, of which only the opt-out label is read."""

    ignore: str | None = field(name=IGNORE, default=None)


class OwnerReference(WireStruct, frozen=True):
    """An owner reference."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class ObjectMetadata(WireStruct, frozen=True):
    """The metadata of an object, without its labels."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    generation: int = 0
    annotations: Labels | None = None
    owner_references: tuple[OwnerReference, ...] | None = None
    deletion_timestamp: datetime | None = None

    @property
    def controller(self) -> OwnerReference | None:
        """The controlling owner, if any."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)

    @property
    def _ignored_by_annotation(self) -> bool:
        return self.annotations is not None and self.annotations.ignore == "true"


class Metadata(ObjectMetadata, frozen=True):
    """The metadata of an object, with the opt-out label only: pods are many, and their labels are large."""

    labels: Labels | None = None

    @property
    def ignored(self) -> bool:
        """True when the object opted out of Prunella by a label or annotation."""
        return self._ignored_by_annotation or (self.labels is not None and self.labels.ignore == "true")


class LabelledMetadata(ObjectMetadata, frozen=True):
    """The metadata of an object, with all labels, for selectors."""

    labels: dict[str, str] | None = None

    @property
    def ignored(self) -> bool:
        """True when the object opted out of Prunella by a label or annotation."""
        return self._ignored_by_annotation or (self.labels or {}).get(IGNORE) == "true"


class HeadMetadata(WireStruct, frozen=True):
    """The fields needed even of an object that is otherwise undecodable, and all that a bookmark has."""

    uid: str = ""
    resource_version: str = ""


class ObjectHead(WireStruct, frozen=True):
    """Any object, reduced to its identity."""

    metadata: HeadMetadata = HeadMetadata()


class PageMetadata(WireStruct, frozen=True):
    """The position of a list page."""

    resource_version: str = ""
    continue_: str = field(name="continue", default="")


class Page(WireStruct, frozen=True):
    """One page of a list. Items are decoded one by one, so that a malformed object does not cost the page."""

    metadata: PageMetadata = PageMetadata()
    items: list[Raw] | None = None


class WatchEvent(WireStruct, frozen=True):
    """One event of a watch."""

    type: str
    object: Raw


class StatusDetails(WireStruct, frozen=True):
    """Details of an error."""

    retry_after_seconds: int | None = None


class Status(WireStruct, frozen=True):
    """An error as the API server describes it."""

    message: str = ""
    reason: str = ""
    code: int = 0
    details: StatusDetails | None = None


def decode(decoder: Decoder[T], data: bytes | Raw) -> T:
    """Decode. Malformed JSON, wrong types, invalid UTF-8 and excessive nesting all raise Undecodable."""
    try:
        return decoder.decode(data)
    except (DecodeError, MsgspecError, ValueError, RecursionError) as error:
        raise Undecodable(f"{type(error).__name__}: {error}") from error


_decode_status: Callable[[bytes | Raw], Status] = partial(decode, Decoder(Status))


def read_status(
    body: bytes | Raw, code: int = 0, decode_body: Callable[[bytes | Raw], Status] = _decode_status
) -> Status:
    """The error in a response. Any other body (a proxy's page, say) becomes one with its beginning as message."""
    try:
        status = decode_body(body)
    except Undecodable:
        return Status(message=bytes(body)[:200].decode(errors="replace"), code=code)
    return status if status.code or not code else Status(status.message, status.reason, code, status.details)
