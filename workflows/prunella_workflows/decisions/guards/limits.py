"""The policy's limits on numbers, checked again at the write: it may be stricter now, or the order not from us."""

from collections.abc import Callable

from prunella_workflows.model.plan import Action, RaiseMaxReplicas, ResizePods, Scale, SetMemory
from prunella_workflows.model.policy_limits import Limits
from prunella_workflows.model.quantity import format_bytes


def out_of_limits(action: Action, limits: Limits) -> str:
    """The limit that the action would exceed, as a message; "" when it exceeds none."""
    match action:
        case SetMemory(limit_to=value) | ResizePods(limit_to=value):
            return _exceeded("memoryMax", value, limits.memory_max, format_bytes)
        case Scale(replicas_to=value) | RaiseMaxReplicas(max_to=value):
            return _exceeded("replicasMax", value, limits.replicas_max, str)
        case _:
            return ""


def _exceeded(field: str, value: int, maximum: int | None, render: Callable[[int], str]) -> str:
    if maximum is None or value <= maximum:
        return ""
    return f"{render(value)} is more than the policy's limits.{field}, {render(maximum)}"
