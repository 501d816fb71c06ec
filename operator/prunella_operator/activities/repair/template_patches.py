"""What actions do to a pod template: pure functions from template and action to patch, result and undo."""

from typing import Any, assert_never

from prunella_operator.activities.repair import pod_resize
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.workloads import POD_TEMPLATE_HASH, RESTARTED_AT, container_views, template_of
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.model.errors import ChangedSince
from prunella_workflows.model.plan import (
    Action,
    Precondition,
    RaiseMaxReplicas,
    ResizePods,
    Restart,
    RestoreTemplate,
    Scale,
    SetMemory,
    TemplateAction,
)
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.workload import ContainerView, RevisionRef

_TEMPLATE = "/spec/template"


def undo_of(order: RepairOrder, digest: str, snapshot: str) -> Action | None:
    """The inverse of an action: the very fields it changed, nothing else. A restart has none."""
    action = order.action
    require = Precondition(uid=action.require.uid, template_hash=digest, last_action=order.action_id)
    match action:
        case SetMemory():
            swapped = {
                "require": require,
                "limit_from": action.limit_to,
                "limit_to": action.limit_from,
                "request_from": action.request_to,
                "request_to": action.request_from,
                "replace_pods": (),
            }
            return action.model_copy(update=swapped)
        case ResizePods():
            return action.model_copy(update={"require": require, **pod_resize.swapped(action)})
        case RestoreTemplate():
            kept = RevisionRef(source="Snapshot", name=snapshot, template_hash=action.require.template_hash)
            words = "the template before the repair"
            update = {"require": require, "revision": kept, "description": words, "replace_pods": ()}
            return action.model_copy(update=update)
        case Restart():
            return None
        case Scale():
            swapped = {"require": require, "replicas_from": action.replicas_to, "replicas_to": action.replicas_from}
            return action.model_copy(update=swapped)
        case RaiseMaxReplicas():
            swapped = {"require": require, "max_from": action.max_to, "max_to": action.max_from}
            return action.model_copy(update=swapped)
        case _ as never:
            assert_never(never)


def operations(action: TemplateAction, raw: Object, after: Object) -> list[Object]:
    """The patch of exactly what the action changes in the template."""
    match action:
        case SetMemory():
            return _memory_operations(raw, action)
        case RestoreTemplate():
            return [{"op": "replace", "path": _TEMPLATE, "value": after}]
        case Restart():
            return _restart_operations(raw, action)
        case _ as never:
            assert_never(never)


def with_stamp(template: Object, action: Restart) -> Object:
    """The template with the restart's stamp, as `kubectl rollout restart` sets it."""
    meta = template.get("metadata") or {}
    annotations = {**(meta.get("annotations") or {}), RESTARTED_AT: action.stamp}
    return {**template, "metadata": {**meta, "annotations": annotations}}


def _restart_operations(raw: Object, action: Restart) -> list[Object]:
    base = f"{_TEMPLATE}/metadata/annotations"
    made = (template_of(raw).get("metadata") or {}).get("annotations")
    missing: list[Object] = [] if made else [{"op": "add", "path": base, "value": {}}]
    return [*missing, {"op": "add", "path": f"{base}/{escaped(RESTARTED_AT)}", "value": action.stamp}]


def escaped(key: str) -> str:
    """A key inside a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _memory_operations(raw: Object, action: SetMemory) -> list[Object]:
    container = _find(template_of(raw), action)
    base = f"{_TEMPLATE}/spec/{'initContainers' if action.init else 'containers'}/{container.index}"
    patch: list[Object] = [
        {"op": "test", "path": f"{base}/name", "value": action.container},
        {"op": "add", "path": f"{base}/resources/limits/memory", "value": format_bytes(action.limit_to)},
    ]
    if action.request_to is not None and action.request_to != action.request_from:
        value = format_bytes(action.request_to)
        patch.append({"op": "add", "path": f"{base}/resources/requests/memory", "value": value})
    return patch


def _find(template: Object, action: SetMemory) -> ContainerView:
    found = [view for view in container_views(template) if (view.name, view.init) == (action.container, action.init)]
    if not found or found[0].memory_limit != action.limit_from:
        raise ChangedSince(f"the memory limit of container {action.container} is no longer what it was")
    return found[0]


def with_memory(template: Object, action: SetMemory) -> Object:
    """The template with the action's memory in it; nothing else differs."""
    container = _find(template, action)
    key = "initContainers" if action.init else "containers"
    spec = template["spec"]
    resources = dict(spec[key][container.index].get("resources") or {})
    resources["limits"] = {**(resources.get("limits") or {}), "memory": format_bytes(action.limit_to)}
    if action.request_to is not None and action.request_to != action.request_from:
        resources["requests"] = {**(resources.get("requests") or {}), "memory": format_bytes(action.request_to)}
    changed: list[Any] = [*spec[key]]
    changed[container.index] = {**changed[container.index], "resources": resources}
    return {**template, "spec": {**spec, key: changed}}


def without_controller_marks(template: Object) -> Object:
    """A template of the history without what only its controller may set."""
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != POD_TEMPLATE_HASH}
    kept = {key: value for key, value in template.items() if key != "$patch"}
    return {**kept, "metadata": {**meta, "labels": labels}}
