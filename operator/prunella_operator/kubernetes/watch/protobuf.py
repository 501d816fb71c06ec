"""`Protobuf`: the API server's fastest wire format, decoded into the same structs as JSON.

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

from prunella_operator.kubernetes.decoding import PageMetadata, Undecodable, WatchEvent
from prunella_operator.kubernetes.watch.formats import MAX_FRAME_BYTES, Format, Listing
from prunella_operator.kubernetes.watch.protobuf_schema import MESSAGES, Kind, envelope, is_list, message

_MAGIC = b"k8s\0"
_LENGTH_BYTES = 4  # before each frame of a watch
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
T = TypeVar("T")
Getter = Callable[[Any], Any]


class FrameSplitter:
    """Splits a stream into length-prefixed frames."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The frames that this chunk completes."""
        self._pending += chunk
        while len(self._pending) >= _LENGTH_BYTES:
            end = _LENGTH_BYTES + int.from_bytes(self._pending[:_LENGTH_BYTES])
            if end > MAX_FRAME_BYTES:
                raise Undecodable(f"a frame of {end} bytes")
            if len(self._pending) < end:
                return
            frame = bytes(self._pending[_LENGTH_BYTES:end])
            del self._pending[:end]
            yield frame


class Protobuf(Format):
    """Kubernetes' protobuf, an event per frame."""

    splitter = FrameSplitter

    def event(self, frame: bytes) -> WatchEvent:
        """An event of a watch, its object not yet decoded."""
        event = _parse("WatchEvent", frame)
        return WatchEvent(_text(event.type), Raw(event.object.raw))

    def page(self, body: bytes) -> Listing:
        """A page of a list, its objects not yet decoded."""
        found = _parse("List", body)
        return Listing(_reader(PageMetadata, "ListMeta")(found.metadata), map(Raw, found.items))

    def read(self, raw: bytes | Raw, into: type[T], kind: str) -> T:
        """An object of this kind, with the fields that `into` names."""
        found = _parse(kind, bytes(raw))
        try:
            read: T = _reader(cast("Any", into), kind)(found)
        except OverflowError as error:  # a time after the year 9999
            raise Undecodable(str(error)) from error
        return read


def _parse(kind: str, data: bytes) -> Any:
    """The message in these bytes, with or without its envelope: no message begins with the envelope's magic bytes."""
    try:
        if data.startswith(_MAGIC):
            return envelope(kind).FromString(data[len(_MAGIC) :]).raw  # type: ignore[attr-defined]
        return message(kind).FromString(data)
    except DecodeError as error:
        raise Undecodable(f"{kind}: {error}") from error


@cache
def _reader(into: Any, kind: str) -> Getter:
    """A function that builds `into` from a message of this kind; cached, for it reads each of 50,000 pods."""
    hints = get_type_hints(into)
    getters = [_getter(field, hints[field.name], MESSAGES[kind]) for field in structs.fields(into)]
    return lambda found: into(*[get(found) for get in getters])


def _getter(field: structs.FieldInfo, hint: Any, message_fields: Mapping[str, Kind]) -> Getter:
    """A function that reads the value of one field of a message."""
    name, default = field.encode_name, field.default
    _, kind = message_fields.get(name, (0, ""))
    get = attrgetter(name)
    match kind:
        case "":
            return lambda _: default  # only another kind that is read into the same struct has it
        case "text" | "int" | "bool":
            return _scalar(name, _text_getter(get) if kind == "text" else get, default)
        case "Time":
            return lambda found: _datetime(get(found).seconds)
        case "map":
            read = _read_texts if dict[str, str] in get_args(hint) else _labels_getter(_struct_type(hint))
            return lambda found: read(texts) if (texts := get(found)) else default
        case _:
            read = _reader(_struct_type(hint), kind.strip("[]"))
    if is_list(kind):
        return lambda found: tuple(map(read, get(found))) or default
    return lambda found: read(get(found)) if found.HasField(name) else default


def _scalar(name: str, get: Getter, default: Any) -> Getter:
    """A getter of a scalar. Where the default is protobuf's own, presence need not be checked."""
    if default in ("", 0):
        return get
    if default is NODEFAULT:
        return lambda found: get(found) if found.HasField(name) else _raise_missing(name)
    return lambda found: get(found) if found.HasField(name) else default


def _raise_missing(name: str) -> NoReturn:
    raise Undecodable(f"no {name}")


def _struct_type(hint: Any) -> Any:
    """The struct in an annotation: `X`, `X | None` or `tuple[X, ...] | None`."""
    if isinstance(hint, type) and not get_args(hint):
        return hint
    return _struct_type(next(arg for arg in get_args(hint) if arg is not NoneType))


def _read_texts(texts: Mapping[str, bytes]) -> dict[str, str]:
    """All labels or annotations."""
    return {key: _text(value) for key, value in texts.items()}


def _labels_getter(into: type[Any]) -> Getter:
    """A getter of labels or annotations, limited to the keys that the struct names."""
    fields = structs.fields(into)
    return lambda texts: into(
        *[_text(texts[key]) if (key := field.encode_name) in texts else field.default for field in fields]
    )


def _text_getter(get: Getter) -> Getter:
    return lambda found: _text(get(found))


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _datetime(seconds: int) -> datetime | None:
    """A time; Kubernetes writes 0 for none."""
    return _EPOCH + timedelta(seconds=seconds) if seconds else None
