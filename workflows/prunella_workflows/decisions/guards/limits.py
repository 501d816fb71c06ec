"""Is it within the policy's limits? The diagnosis keeps to them; this is asked once more at the write.

By then the policy may say less, and the order need not be one that a diagnosis of ours gave.
"""

from collections.abc import Callable

from prunella_workflows.model.plan import Action, RaiseMaxReplicas, ResizePods, Scale, SetMemory
from prunella_workflows.model.policy import Limits
from prunella_workflows.model.quantity import format_bytes


def out_of_limits(action: Action, limits: Limits) -> str:
    """Which limit the number that a repair sets is above; "" when it is above none."""
    match action:
        case SetMemory(limit_to=wanted) | ResizePods(limit_to=wanted):
            return _above("memoryMax", wanted, limits.memory_max, format_bytes)
        case Scale(replicas_to=wanted) | RaiseMaxReplicas(max_to=wanted):
            return _above("replicasMax", wanted, limits.replicas_max, str)
        case _:
            return ""


def _above(field: str, wanted: int, most: int | None, shown: Callable[[int], str]) -> str:
    if most is None or wanted <= most:
        return ""
    return f"{shown(wanted)} is more than the policy's limits.{field}, {shown(most)}"
