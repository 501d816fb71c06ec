"""Encode JSON objects of tests in Kubernetes' protobuf, limited to the fields in `MESSAGES`."""

from datetime import datetime

from prunella_operator.kubernetes.watch.protobuf_schema import MESSAGES, envelope, is_list, message

_MAGIC = b"k8s\0"
_RAW = 2 << 3 | 2  # the second field of an Unknown, which has a length
_BEYOND = 10**15  # seconds: in no calendar


def frame(change):
    """The frame of a watch event."""
    kind = "Status" if change["type"] == "ERROR" else change["object"].get("kind", "Object")
    event = message("WatchEvent")(type=change["type"].encode())
    event.object.raw = enveloped(kind, change["object"])
    data = event.SerializeToString()
    return len(data).to_bytes(4) + data


def answer(body):
    """The body of a list or an error."""
    if body["kind"] == "Status":
        return enveloped("Status", body)
    found = message("List")()
    fill(found.metadata, body["metadata"], "ListMeta")
    found.items.extend(packed(item["kind"], item) for item in body["items"])
    return _MAGIC + envelope("List")(raw=found).SerializeToString()


def enveloped(kind, obj):
    data = packed(kind, obj)
    return _MAGIC + bytes([_RAW]) + _varint(len(data)) + data


def packed(kind, obj):
    """The bytes of a message; bytes and text are kept as they are."""
    if not isinstance(obj, dict):
        return obj if isinstance(obj, bytes) else str(obj).encode()
    found = message(kind)()
    fill(found, obj, kind)
    return found.SerializeToString()


def fill(found, obj, kind):
    for name, (_, of) in MESSAGES[kind].items():
        if (value := obj.get(name)) is not None:
            _set(found, name, value, of)


def _set(found, name, value, of):
    if of == "text":
        setattr(found, name, value.encode())
    elif of in {"int", "bool"}:
        setattr(found, name, value)
    elif of == "map":
        getattr(found, name).update({key: text.encode() for key, text in value.items()})
    elif of == "Time":
        getattr(found, name).seconds = _seconds(value)
    elif is_list(of):
        for element in value:
            fill(getattr(found, name).add(), element, of.strip("[]"))
    else:
        getattr(found, name).SetInParent()
        fill(getattr(found, name), value, of)


def _seconds(text):
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return _BEYOND


def _varint(number):
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
