"""The scaling of a workload and its limits: strategy, autoscalers, disruption budgets, and free quota."""

from pydantic import Field

from prunella_workflows.model.base import Value

FieldOwners = dict[str, tuple[str, ...]]
"""Names of field managers by the field of the spec that they own; empty when the object does not list them."""


class Strategy(Value):
    """The update strategy of a workload: `kind` (RollingUpdate, Recreate, OnDelete) and absolute numbers of pods.

    Of StatefulSets only: the `partition` first pods keep their revision, counted from `first_ordinal`; `parallel` pod
    management does not wait for broken pods.
    """

    kind: str = "RollingUpdate"
    max_unavailable: int = 0
    max_surge: int = 1
    partition: int = 0
    first_ordinal: int = 0
    parallel: bool = False


class HorizontalPodAutoscalerView(Value):
    """An autoscaler of the workload. `operator` names the tool that owns it and would revert changes, such as KEDA."""

    name: str
    namespace: str
    uid: str
    min_replicas: int = 1
    max_replicas: int
    desired_replicas: int = 0
    active: bool = True
    operator: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owners: FieldOwners = Field(default_factory=dict)
    appliers: FieldOwners = Field(default_factory=dict)
    last_action: str = ""

    def __str__(self) -> str:
        return f"HorizontalPodAutoscaler/{self.name}"

    @property
    def obstacle(self) -> str:
        """Why it cannot scale out, whatever its maximum: a number that its owner fixed, or no metrics; "" if it can."""
        if self.min_replicas >= self.max_replicas:
            return f"has a fixed size: its minimum and its maximum are {self.max_replicas}"
        return "" if self.active else "is not able to scale"

    @property
    def at_maximum(self) -> bool:
        """True if it wants all replicas that it may have; if it wants less, its maximum is not the limit."""
        return self.desired_replicas >= self.max_replicas


class PodDisruptionBudgetView(Value):
    """A PodDisruptionBudget. `desired_healthy` is None until the controller has computed it."""

    name: str
    desired_healthy: int | None = None
    current_healthy: int = 0


class Scaling(Value):
    """The objects that set and limit the number of pods.

    `quota_free`: what ResourceQuotas still grant, by resource (`pods`, `requests.cpu`), in pods, cores or bytes.
    `exclusive_claims`: PersistentVolumeClaims of the template that only one node or pod may write to.
    """

    autoscalers: tuple[HorizontalPodAutoscalerView, ...] = ()
    budgets: tuple[PodDisruptionBudgetView, ...] = ()
    quota_free: dict[str, float] = Field(default_factory=dict)
    exclusive_claims: tuple[str, ...] = ()
