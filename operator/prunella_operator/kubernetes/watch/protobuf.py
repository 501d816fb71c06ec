"""`Protobuf`: the format in which the API server answers fastest, read into the same structures as JSON is.

The envelope is described in Kubernetes' documentation, "Kubernetes Protobuf encoding" under "API concepts".
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import attrgetter
from types import NoneType
from typing import Any, NoReturn, TypeVar, cast, get_args, get_type_hints

from google.protobuf.message import DecodeError
from msgspec import NODEFAULT, Raw, structs

from prunella_operator.kubernetes.decoding import PageMetadata, Status, Undecodable, WatchEvent
from prunella_operator.kubernetes.watch.formats import LONGEST_PART, Listing
from prunella_operator.kubernetes.watch.protobuf_schema import MESSAGES, Kind, envelope, is_list, message

_MAGIC = b"k8s\0"
_HEAD = 4  # bytes before each part of a watch: how long it is
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")
Getter = Callable[[Any], Any]


class Frames:
    """Splits a stream into frames, each behind its length."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The frames that this chunk completes."""
        self._pending += chunk
        while len(self._pending) >= _HEAD:
            end = _HEAD + int.from_bytes(self._pending[:_HEAD])
            if end > LONGEST_PART:
                raise Undecodable(f"a frame of {end} bytes")
            if len(self._pending) < end:
                return
            frame = bytes(self._pending[_HEAD:end])
            del self._pending[:end]
            yield frame


class Protobuf:
    """Kubernetes' protobuf, a change per frame."""

    def parts(self) -> Frames:
        """For one watch: splits it into frames."""
        return Frames()

    def change(self, part: bytes) -> WatchEvent:
        """A change, its object still raw."""
        event = _parse("WatchEvent", part)
        return WatchEvent(_text(event.type), Raw(event.object.raw))

    def page(self, body: bytes) -> Listing:
        """A page of a list, its objects still raw."""
        found = _parse("List", body)
        return Listing(_reader(PageMetadata, "ListMeta")(found.metadata), map(Raw, found.items))

    def status(self, raw: bytes | Raw) -> Status:
        """A refusal."""
        return self.read(raw, Status, "Status")

    def read(self, raw: bytes | Raw, into: type[T], kind: str) -> T:
        """An object of this kind, as far as `into` names its fields."""
        found = _parse(kind, bytes(raw))
        try:
            read: T = _reader(cast("Any", into), kind)(found)
        except OverflowError as error:  # a time after the year 9999
            raise Undecodable(str(error)) from error
        return read


def _parse(kind: str, data: bytes) -> Any:
    """The message in these bytes, with its envelope or without: no message begins like one."""
    try:
        if data.startswith(_MAGIC):
            return envelope(kind).FromString(data[len(_MAGIC) :]).raw  # type: ignore[attr-defined]
        return message(kind).FromString(data)
    except DecodeError as error:
        raise Undecodable(f"{kind}: {error}") from error


@cache
def _reader(into: Any, kind: str) -> Getter:
    """What builds `into` from a message of this kind; made once, because each of 50,000 pods goes through it."""
    hints = get_type_hints(into)
    getters = [_getter(field, hints[field.name], MESSAGES[kind]) for field in structs.fields(into)]
    return lambda found: into(*[get(found) for get in getters])


def _getter(field: structs.FieldInfo, hint: Any, message_fields: Mapping[str, Kind]) -> Getter:
    """What takes the value of one field out of a message."""
    name, default = field.encode_name, field.default
    _, kind = message_fields.get(name, (0, ""))
    get = attrgetter(name)
    match kind:
        case "":
            return lambda _: default  # only another kind that is read into the same structure has it
        case "text" | "int" | "bool":
            return _scalar(name, _text_of(get) if kind == "text" else get, default)
        case "Time":
            return lambda found: _time(get(found).seconds)
        case "map":
            marks = _marks(_structure(hint))
            return lambda found: marks(texts) if (texts := get(found)) else default
        case _:
            read = _reader(_structure(hint), kind.strip("[]"))
    if is_list(kind):
        return lambda found: tuple(map(read, get(found))) or default
    return lambda found: read(get(found)) if found.HasField(name) else default


def _scalar(name: str, get: Getter, default: Any) -> Getter:
    """Of a scalar. Protobuf's own defaults need no look at whether it is there."""
    if default in ("", 0):
        return get
    if default is NODEFAULT:
        return lambda found: get(found) if found.HasField(name) else _missing(name)
    return lambda found: get(found) if found.HasField(name) else default


def _missing(name: str) -> NoReturn:
    raise Undecodable(f"no {name}")


def _structure(hint: Any) -> Any:
    """The structure in an annotation: `X`, `X | None` or `tuple[X, ...] | None`."""
    if isinstance(hint, type) and not get_args(hint):
        return hint
    return _structure(next(arg for arg in get_args(hint) if arg is not NoneType))


def _marks(into: type[Any]) -> Getter:
    """Of labels or annotations: those that the structure names."""
    fields = structs.fields(into)
    return lambda texts: into(
        *[_text(texts[key]) if (key := field.encode_name) in texts else field.default for field in fields]
    )


def _text_of(get: Getter) -> Getter:
    return lambda found: _text(get(found))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _time(seconds: int) -> datetime | None:
    """A time; 0 is what Kubernetes writes for none."""
    return _EPOCH + timedelta(seconds=seconds) if seconds else None
