"""Plans: ordered steps, each with an action of absolute values, a settle rule and, once applied, an undo."""

from typing import Annotated, Literal

from pydantic import Field

from prunella_workflows.model.base import Value
from prunella_workflows.model.policy_verification import Check
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.workload import RevisionRef, WorkloadRef


class Precondition(Value):
    """Requirements that the live object must still meet at the write; the template is "" if it has none.

    A late duplicate of an action that was already undone finds another last action and stops.
    """

    uid: str
    template_hash: str = ""
    last_action: str = ""


class PodRef(Value):
    """One pod. The uid excludes its healthy successor of the same name."""

    name: str
    uid: str


class SetMemory(Value):
    """Set one container's memory. Bytes; None leaves the request as it is.

    `replace_pods`: broken pods that their StatefulSet would wait for (kubernetes issue 67250); deleted after the write.
    `undo_to`: the template that an undo restores, if it is not the one of now but that before an earlier repair.
    """

    kind: Literal["SetMemory"] = "SetMemory"
    target: WorkloadRef
    require: Precondition
    container: str
    init: bool = False
    limit_from: int
    limit_to: int
    request_from: int | None = None
    request_to: int | None = None
    replace_pods: tuple[PodRef, ...] = ()
    undo_to: RevisionRef | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        values = {
            "container": self.container,
            "from": format_bytes(self.limit_from),
            "to": format_bytes(self.limit_to),
        }
        if self.request_from is not None and self.request_to is not None and self.request_from != self.request_to:
            values |= {"requestFrom": format_bytes(self.request_from), "requestTo": format_bytes(self.request_to)}
        return values

    def __str__(self) -> str:
        change = f"{format_bytes(self.limit_from)} to {format_bytes(self.limit_to)}"
        return f"set the memory limit of container {self.container} from {change}"


class ResizePods(Value):
    """Set one container's memory limit in running pods without a restart; new pods have the old one again. Bytes.

    A request that equals the limit is set with it, which keeps the QoS class; `request_from` and `request_to` are the
    template's, for the persistent change that a person makes.
    """

    kind: Literal["ResizePods"] = "ResizePods"
    target: WorkloadRef
    require: Precondition
    container: str
    limit_from: int
    limit_to: int
    request_from: int | None = None
    request_to: int | None = None
    pods: tuple[PodRef, ...]

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        return {
            "container": self.container,
            "from": format_bytes(self.limit_from),
            "to": format_bytes(self.limit_to),
            "pods": str(len(self.pods)),
        }

    def __str__(self) -> str:
        change = f"{format_bytes(self.limit_from)} to {format_bytes(self.limit_to)}"
        return f"set the memory limit of container {self.container} from {change} in {len(self.pods)} running pod(s)"


class RestoreTemplate(Value):
    """Restore an earlier pod template (a rollback, or the undo of one). The template itself stays in the cluster.

    `number` is the controller's number of that revision; 0 if only our snapshot has it. `replace_pods`, `undo_to`: see
    SetMemory.
    """

    kind: Literal["RestoreTemplate"] = "RestoreTemplate"
    target: WorkloadRef
    require: Precondition
    revision: RevisionRef
    number: int = 0
    description: str
    replace_pods: tuple[PodRef, ...] = ()
    undo_to: RevisionRef | None = None

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        return {"to": self.description}

    def __str__(self) -> str:
        return f"roll back to {self.description}"


class Restart(Value):
    """Replace all pods by the workload's own rolling update. It has no undo, which would restart everything once more.

    `stamp` goes into the template; it comes from the incident, not from the clock, so that a retry changes nothing.
    """

    kind: Literal["Restart"] = "Restart"
    target: WorkloadRef
    require: Precondition
    stamp: str
    replace_pods: tuple[PodRef, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        return {"stamp": self.stamp}

    def __str__(self) -> str:
        return f"restart {self.target} by a rolling update"


class Scale(Value):
    """Set the number of replicas of a workload that no autoscaler scales. Absolute numbers."""

    kind: Literal["Scale"] = "Scale"
    target: WorkloadRef
    require: Precondition
    replicas_from: int
    replicas_to: int

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        return {"from": str(self.replicas_from), "to": str(self.replicas_to)}

    def __str__(self) -> str:
        return f"scale {self.target} from {self.replicas_from} to {self.replicas_to} replicas"


class RaiseMaxReplicas(Value):
    """Set the maximum of the HorizontalPodAutoscaler of `target`, to which `require` applies. Absolute numbers."""

    kind: Literal["RaiseMaxReplicas"] = "RaiseMaxReplicas"
    target: WorkloadRef
    require: Precondition
    autoscaler: str
    max_from: int
    max_to: int

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        return {"autoscaler": self.autoscaler, "from": str(self.max_from), "to": str(self.max_to)}

    def __str__(self) -> str:
        return f"set maxReplicas of HorizontalPodAutoscaler/{self.autoscaler} from {self.max_from} to {self.max_to}"


class EvictPods(Value):
    """Have pods replaced that wait in a long back-off, as their disruption budgets permit. It has no undo."""

    kind: Literal["EvictPods"] = "EvictPods"
    target: WorkloadRef
    require: Precondition
    pods: tuple[PodRef, ...]

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        return {"pods": ", ".join(pod.name for pod in self.pods)}

    def __str__(self) -> str:
        return f"evict {len(self.pods)} pod(s) of {self.target} that wait for their next start"


TemplateAction = SetMemory | RestoreTemplate | Restart
ReplicaAction = Scale | RaiseMaxReplicas
Action = Annotated[TemplateAction | ReplicaAction | ResizePods | EvictPods, Field(discriminator="kind")]


class Relief(Value):
    """The measured result that a repair of saturation requires: usage of `resource` below this share of its bound."""

    resource: Literal["cpu", "memory"]
    container: str = ""
    below: float


class Settle(Value):
    """The rule for verifying a step. Seconds: it may stand still for `timeout`, then must stay healthy for `window`.

    With `relief` healthy pods are not enough: their usage decides. At the end all `checks` must pass as well, and with
    `telemetry` errors and durations must be back at what was usual.
    """

    timeout: float = 120.0
    window: float = 60.0
    checks: tuple[Check, ...] = ()
    relief: Relief | None = None
    telemetry: bool = False


class Step(Value):
    """One action and the rule for verifying it."""

    action: Action
    settle: Settle = Settle()
    why: str = ""


class Plan(Value):
    """The steps still to try, in order. An empty plan explains in `reason` and `message` why none is left.

    An `optional` step only shortens a wait, so it is dropped if a guard blocks it. With `undoes` the one step only
    undoes a repair of an earlier incident: the plan explains why none is left after it.
    """

    steps: tuple[Step, ...] = ()
    reason: str = ""
    message: str = ""
    next_step: str = ""
    undoes: bool = False
    optional: bool = False
