"""The bodies of requests in an audit log: JSON patches, merge patches and whole objects. Anything may stand there."""

from collections.abc import Iterator
from typing import Any

from prunella_operator.activities.repair.live_object import escape

_ANNOTATIONS = "/metadata/annotations"


def set_annotation(body: Any, key: str) -> str:
    """The value that a patch gives this annotation by its key; "" if it gives none."""
    if not isinstance(body, list):
        return _text(_of(body, "metadata", "annotations", key))
    path = f"{_ANNOTATIONS}/{escape(key)}"
    return next((_text(one.get("value")) for one in operations(body, "add", "replace") if one["path"] == path), "")


def carried_annotation(body: Any, key: str) -> str:
    """The value of this annotation in a body that has all annotations; "" if it has none."""
    if not isinstance(body, list):
        return _text(_of(body, "metadata", "annotations", key))
    whole = [one.get("value") for one in operations(body, "add", "replace") if one["path"] == _ANNOTATIONS]
    return next((text for value in whole if (text := _text(_of(value, key)))), "")


def tested(body: Any, path: str) -> Any:
    """The value that a JSON patch requires at a path; None if it requires none."""
    return next((one.get("value") for one in operations(body, "test") if one["path"] == path), None)


def required_uid(body: Any) -> str:
    """The uid that a patch, a deletion or an eviction requires; "" if it requires none."""
    if isinstance(body, list):
        return _text(tested(body, "/metadata/uid"))
    options = _of(body, "deleteOptions") or body
    return _text(_of(options, "preconditions", "uid"))


def operations(body: Any, *names: str) -> Iterator[dict[str, Any]]:
    """The operations of a JSON patch with these names; none of any other body."""
    for one in body if isinstance(body, list) else ():
        if isinstance(one, dict) and one.get("op") in names and isinstance(one.get("path"), str):
            yield one


def _of(value: Any, *keys: str) -> Any:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
