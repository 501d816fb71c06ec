"""Plans: ordered steps, each one action with absolute values, a settle rule and, once applied, its undo."""

from typing import Annotated, Literal

from pydantic import Field

from prunella_workflows.model.base import Value
from prunella_workflows.model.policy import Check
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.workload import RevisionRef, WorkloadRef


class Precondition(Value):
    """What must still be true of the live object when the write is made.

    The template must be the one the decision was made on ("" for an object that has none), and the last action on the
    object must be the one that was last then: so a late duplicate of an action that was already undone finds another
    last action and stops.
    """

    uid: str
    template_hash: str = ""
    last_action: str = ""


class PodRef(Value):
    """One pod; the uid makes sure that its healthy successor is never meant."""

    name: str
    uid: str


class SetMemory(Value):
    """Set one container's memory. Bytes; None leaves the request as it is.

    `replace_pods` are broken pods that their StatefulSet would wait for (kubernetes issue 67250): they are deleted
    once the template is written, so that it can make them anew.
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
    """Set one container's memory limit in running pods, in place: no rollout, no restart. Bytes.

    The template stays as it is, so pods that are made later have the old limit again. In a pod a request that is
    equal to the limit goes with it, which keeps its QoS class; `request_from` and `request_to` are the template's, for
    the lasting change that a person makes.
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
    """Put an earlier pod template back (a rollback, or the undo of one). The template itself stays in the cluster.

    `number` is the controller's number of that revision; 0 when only we kept it. `replace_pods`: see SetMemory.
    """

    kind: Literal["RestoreTemplate"] = "RestoreTemplate"
    target: WorkloadRef
    require: Precondition
    revision: RevisionRef
    number: int = 0
    description: str
    replace_pods: tuple[PodRef, ...] = ()

    @property
    def parameters(self) -> dict[str, str]:
        """The values for status and messages."""
        return {"to": self.description}

    def __str__(self) -> str:
        return f"roll back to {self.description}"


class Restart(Value):
    """Replace all pods by the workload's own rolling update, which respects its surge and unavailability settings.

    `stamp` goes into the template and is derived from the incident, never from the clock, so that a repetition changes
    nothing. Taking it back would restart everything once more, so it has no undo.
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
    """Set the most replicas that the HorizontalPodAutoscaler of `target` may ask for. Absolute numbers.

    The object that is written is the autoscaler, and `require` is about it.
    """

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


TemplateAction = SetMemory | RestoreTemplate | Restart
ReplicaAction = Scale | RaiseMaxReplicas
Action = Annotated[TemplateAction | ReplicaAction | ResizePods, Field(discriminator="kind")]


class Relief(Value):
    """What measurements must show for a repair of pressure: the use of `resource` is below this share of its bound."""

    resource: Literal["cpu", "memory"]
    container: str = ""
    below: float


class Settle(Value):
    """How a step is judged. Seconds: it must be rolled out within `timeout` and then stay healthy for `window`.

    With `relief` healthy pods are not enough: what they use decides; at the end all `checks` must be true as well.
    """

    timeout: float = 120.0
    window: float = 60.0
    checks: tuple[Check, ...] = ()
    relief: Relief | None = None


class Step(Value):
    """One action and how to judge it."""

    action: Action
    settle: Settle = Settle()
    why: str = ""


class Plan(Value):
    """The steps still to try, in order. An empty plan says in `reason` and `message` why there is nothing to do."""

    steps: tuple[Step, ...] = ()
    reason: str = ""
    message: str = ""
    next_step: str = ""
