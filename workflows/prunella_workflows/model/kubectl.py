"""kubectl commands that do by hand what an action does, for escalations."""

import json
from typing import assert_never

from prunella_workflows.model.incident import IncidentSpec
from prunella_workflows.model.plan import (
    Action,
    EvictPods,
    RaiseMaxReplicas,
    ResizePods,
    Restart,
    RestoreTemplate,
    Scale,
    SetMemory,
)
from prunella_workflows.model.quantity import format_bytes


def command(action: Action) -> str:
    """The kubectl command of an action."""
    where = f"{action.target} -n {action.target.namespace}"
    match action:
        case SetMemory() | ResizePods():
            return _set_memory(action, where)
        case RestoreTemplate():
            return _restore(action, where)
        case Restart():
            return f"kubectl rollout restart {where}"
        case Scale():
            return f"kubectl scale {where} --replicas={action.replicas_to}"
        case RaiseMaxReplicas():
            return raise_maximum("hpa", action.autoscaler, action.target.namespace, maxReplicas=action.max_to)
        case EvictPods():
            return f"kubectl delete pod {' '.join(pod.name for pod in action.pods)} -n {action.target.namespace}"
        case _ as never:
            assert_never(never)


def persistent_change_hint(action: Action) -> str:
    """The change that makes a successful action persistent; "" when it is persistent by itself."""
    if not isinstance(action, ResizePods):
        return ""
    return (
        f"New pods will have {format_bytes(action.limit_from)} again, because the template was not changed. Make the "
        f"change in its source (Git, Helm) or with: {command(action)}"
    )


def list_targets(namespace: str, spec: IncidentSpec) -> str:
    """The command that lists what an incident may name."""
    kind = spec.target.kind.lower() if spec.target is not None else "pod"
    return f"kubectl get {kind} -n {namespace}"


def raise_maximum(resource: str, name: str, namespace: str, **spec: int) -> str:
    """The command that sets a number in the spec of an autoscaler."""
    body = json.dumps({"spec": spec}, separators=(",", ":"))
    return f"kubectl patch {resource} {name} -n {namespace} --type merge -p '{body}'"


def _set_memory(action: SetMemory | ResizePods, where: str) -> str:
    text = f"kubectl set resources {where} -c {action.container} --limits=memory={format_bytes(action.limit_to)}"
    if action.request_to is not None and action.request_to != action.request_from:
        text += f" --requests=memory={format_bytes(action.request_to)}"
    return text


def _restore(action: RestoreTemplate, where: str) -> str:
    if action.number:
        return f"kubectl rollout undo {where} --to-revision={action.number}"
    kept = f"kubectl get controllerrevision {action.revision.name} -n {action.target.namespace} -o yaml"
    return f"restore the template that this shows: {kept}"
