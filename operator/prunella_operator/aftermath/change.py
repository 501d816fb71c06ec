"""The change of a workload since its incident, compared with the one that the plan would have made. Pure functions.

A change is the planned one only if nothing else in the template differs: who also released something else did not show
that the plan would have been enough.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from prunella_operator.aftermath.case import Afterwards
from prunella_operator.aftermath.images import known_digests, plain_images
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.paths import FIELD_MANAGER
from prunella_operator.kubernetes.times import parse_annotation_time, parse_time
from prunella_operator.kubernetes.views.ownership import SpecWrite, spec_writes
from prunella_operator.kubernetes.views.templates import (
    RESTARTED_AT,
    container_views,
    revision_number,
    template_hash,
    template_of,
)
from prunella_workflows.model.plan import Action, ResizePods, Restart, RestoreTemplate, SetMemory

_CONTROLLERS = frozenset({"kube-controller-manager"})  # an autoscaler's writes are no one's decision
_REPLICAS, _TEMPLATE = "f:replicas", "f:template"


class ChangeKind(Enum):
    """The kind of a change, compared with the plan."""

    NONE = "none"
    SAME = "same"
    OTHER = "other"
    UNCLEAR = "unclear"


class Change(NamedTuple):
    """A change, its time if that is known, and its description."""

    kind: ChangeKind
    message: str
    at: datetime | None = None


def find_change(action: Action, since: datetime, after: Afterwards) -> Change:
    """The change of a workload that still exists, since the diagnosis."""
    raw = after.workload
    assert raw is not None
    if raw["metadata"]["uid"] != action.require.uid:
        return Change(ChangeKind.OTHER, "It was deleted and created again.", _created(raw))
    writes = [write for write in spec_writes(raw["metadata"]) if write.at > since and write.manager not in _CONTROLLERS]
    if any(write.manager == FIELD_MANAGER for write in writes):
        return Change(ChangeKind.UNCLEAR, "Prunella itself has changed it since, for a later incident.")
    scaled = [write for write in writes if write.fields == {_REPLICAS}]
    if template_hash(template_of(raw)) != action.require.template_hash:
        change = _template_change(action, since, after, writes)
    elif restarted := _restarted(raw, since):
        change = _restart(action, restarted, writes)
    else:
        return _other_change(writes, scaled)
    if change.kind is ChangeKind.SAME and scaled:
        return change._replace(kind=ChangeKind.OTHER, message=f"{change.message} It was scaled as well.")
    return change


def _template_change(action: Action, since: datetime, after: Afterwards, writes: Sequence[SpecWrite]) -> Change:
    assert after.workload is not None
    at = _changed_at(after.workload, after.revisions, since, writes)
    if at is None:
        return Change(ChangeKind.UNCLEAR, "The template is another one; since when is not recorded.")
    by = _managers([write for write in writes if _TEMPLATE in write.fields])
    if _is_planned(action, template_of(after.workload), after):
        return Change(ChangeKind.SAME, f"The planned change was made{by}: {action}.", at)
    return Change(ChangeKind.OTHER, f"The template was changed{by}, otherwise than planned ({action}).", at)


def _restarted(raw: Object, since: datetime) -> datetime | None:
    """The time of a restart since the diagnosis."""
    annotations = (template_of(raw).get("metadata") or {}).get("annotations") or {}
    at = parse_annotation_time(annotations.get(RESTARTED_AT))
    return at if at is not None and at > since else None


def _restart(action: Action, at: datetime, writes: Sequence[SpecWrite]) -> Change:
    kind = ChangeKind.SAME if isinstance(action, Restart) else ChangeKind.OTHER
    return Change(kind, f"It was restarted{_managers(writes)}.", at)


def _other_change(writes: Sequence[SpecWrite], scaled: Sequence[SpecWrite]) -> Change:
    """The change of a workload with the template of its incident."""
    if scaled:
        return Change(ChangeKind.OTHER, f"It was scaled{_managers(scaled)}.", max(write.at for write in scaled))
    if writes:
        return Change(ChangeKind.UNCLEAR, f"Its spec was written{_managers(writes)}; the template is the same.")
    return Change(ChangeKind.NONE, "Its spec was not changed.")


def _is_planned(action: Action, template: Object, after: Afterwards) -> bool:
    match action:
        case SetMemory():
            before = template_hash(_with_memory_before(action, template))
            return before == action.require.template_hash and _memory_limit(action, template) == action.limit_to
        case ResizePods():  # the change that lasts
            return _is_planned(SetMemory(**action.model_dump(exclude={"kind", "pods"})), template, after)
        case RestoreTemplate():
            return _is_restored(action, template, after)
    return False


def _is_restored(action: RestoreTemplate, template: Object, after: Afterwards) -> bool:
    """Report whether it is the planned template, or one that differs in the names of the same images only."""
    wanted = action.revision.template_hash
    if template_hash(template) == wanted:
        return True
    digests = known_digests(after.pods)
    plain = template_hash(plain_images(template, digests))
    planned = [found for found in map(template_of, after.revisions) if template_hash(found) == wanted]
    return any(template_hash(plain_images(found, digests)) == plain for found in planned)


def _memory_limit(action: SetMemory, template: Object) -> int | None:
    wanted = (action.container, action.init)
    found = (view for view in container_views(template) if (view.name, view.init) == wanted)
    return next((view.memory_limit for view in found), None)


def _with_memory_before(action: SetMemory, template: Object) -> Object:
    """The template with the memory that the container had before the plan."""
    key, spec = "initContainers" if action.init else "containers", template.get("spec") or {}
    containers = [
        _reset_memory(action, container) if container.get("name") == action.container else container
        for container in spec.get(key) or ()
    ]
    return {**template, "spec": {**spec, key: containers}}


def _reset_memory(action: SetMemory, container: Object) -> Object:
    values: dict[str, int | None] = {"limits": action.limit_from}
    if action.request_to is not None and action.request_to != action.request_from:
        values["requests"] = action.request_from
    resources = dict(container.get("resources") or {})
    for kind, value in values.items():
        others = {key: amount for key, amount in (resources.pop(kind, None) or {}).items() if key != "memory"}
        if merged := others | ({} if value is None else {"memory": str(value)}):
            resources[kind] = merged
    return {**container, "resources": resources}


def _changed_at(
    raw: Object, revisions: Sequence[Object], since: datetime, writes: Sequence[SpecWrite]
) -> datetime | None:
    """The time at which the template of now came: that of its revision if it is new, or else of the latest write."""
    digest = template_hash(template_of(raw))
    same = [revision for revision in revisions if template_hash(template_of(revision)) == digest]
    newest = max(same, key=revision_number, default=None)
    created = _created(newest) if newest is not None else None
    if created is not None and created > since:
        return created
    return max((write.at for write in writes if _TEMPLATE in write.fields), default=None)


def _created(raw: Object) -> datetime | None:
    return parse_time(raw["metadata"].get("creationTimestamp"))


def _managers(writes: Sequence[SpecWrite]) -> str:
    """The programs that wrote, as ` by A, B`."""
    names = ", ".join(sorted({write.manager for write in writes}))
    return f" by {names}" if names else ""
