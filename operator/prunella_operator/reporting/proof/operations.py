"""The operations of an audited patch, compared with those that the planned action makes."""

import re
from collections.abc import Iterator
from typing import Any, assert_never

from prunella_operator.activities.repair.live_object import escape
from prunella_operator.kubernetes.views.templates import RESTARTED_AT, template_hash
from prunella_operator.reporting.proof.bodies import operations, set_annotation
from prunella_workflows.model import labels, plan
from prunella_workflows.model.quantity import format_bytes

_ANNOTATIONS = "/metadata/annotations"
_TEMPLATE = "/spec/template"
_STAMPS = f"{_TEMPLATE}/metadata/annotations"
_MARKS = tuple(f"{_ANNOTATIONS}/{escape(key)}" for key in (f"{labels.GROUP}/", labels.CHANGE_CAUSE))
_MEMORY = re.compile(r"(/spec/template/spec/(?:containers|initContainers)/\d+)/resources/(?:limits|requests)/memory")
_FIELDS = {
    "SetMemory": _MEMORY.pattern,
    "RestoreTemplate": _TEMPLATE,
    "Restart": rf"{_STAMPS}(?:/{re.escape(escape(RESTARTED_AT))})?",
    "Scale": "/spec/replicas",
    "RaiseMaxReplicas": "/spec/maxReplicas",
}
"""The fields that each kind of action writes. What is not here writes marks only, and its pods."""

Operation = dict[str, Any]


def is_within(kind: str, body: Any) -> bool:
    """Report whether a patch writes only the fields of this kind of action, and the template that it names."""
    changes = list(_changes(body))
    allowed = _FIELDS.get(kind)
    if allowed is None:
        return not changes
    return bool(changes) and all(re.fullmatch(allowed, one["path"]) for one in changes) and _is_named(body, changes)


def makes(action: plan.Action, body: Any) -> bool:
    """Report whether a patch makes exactly the change of an action."""
    return is_within(action.kind, body) and _has_values(action, body, list(_changes(body)))


def _changes(body: Any) -> Iterator[Operation]:
    """The operations that write, but for Prunella's marks. Anything but a JSON patch has one that no action makes."""
    if not isinstance(body, list):
        yield {"op": "merge", "path": "/", "value": body}
        return
    for one in body:
        if not isinstance(one, dict) or not isinstance(one.get("path"), str):
            yield {"op": "", "path": "", "value": one}
        elif one.get("op") != "test" and not _is_mark(one):
            yield one


def _is_mark(one: Operation) -> bool:
    """Report whether it sets a mark of ours, or makes room for the first annotation."""
    is_room = one["path"] == _ANNOTATIONS and one.get("value") == {}
    return one.get("op") == "add" and (is_room or one["path"].startswith(_MARKS))


def _is_named(body: Any, changes: list[Operation]) -> bool:
    """Report whether a whole template is the one whose hash is among the marks."""
    wholes = [one.get("value") for one in changes if one["path"] == _TEMPLATE]
    named = set_annotation(body, labels.AFTER)
    return all(isinstance(value, dict) and template_hash(value) == named for value in wholes)


def _has_values(action: plan.Action, body: Any, changes: list[Operation]) -> bool:
    written = {one["path"]: one.get("value") for one in changes}
    match action:
        case plan.SetMemory():
            return _sets_memory(action, body, written)
        case plan.RestoreTemplate():
            return set_annotation(body, labels.AFTER) == action.revision.template_hash
        case plan.Restart():
            return written.get(f"{_STAMPS}/{escape(RESTARTED_AT)}") == action.stamp and written.get(_STAMPS, {}) == {}
        case plan.Scale():
            return list(written.values()) == [action.replicas_to]
        case plan.RaiseMaxReplicas():
            return list(written.values()) == [action.max_to]
        case plan.ResizePods() | plan.EvictPods():
            return True
        case _ as never:
            assert_never(never)


def _sets_memory(action: plan.SetMemory, body: Any, written: dict[str, Any]) -> bool:
    """Report whether the limit, and the request if it is to change, are written in the container that is tested."""
    key = "initContainers" if action.init else "containers"
    places = {found[1] for path in written if (found := _MEMORY.fullmatch(path))}
    if len(places) != 1 or not (place := places.pop()).startswith(f"{_TEMPLATE}/spec/{key}/"):
        return False
    values = {f"{place}/resources/limits/memory": format_bytes(action.limit_to)}
    if action.request_to is not None and action.request_to != action.request_from:
        values[f"{place}/resources/requests/memory"] = format_bytes(action.request_to)
    names = [one.get("value") for one in operations(body, "test") if one["path"] == f"{place}/name"]
    return written == values and names == [action.container]
