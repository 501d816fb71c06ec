"""What actions do to one whole number of an object's spec: pure functions from action to check, patch and diff."""

from dataclasses import dataclass
from typing import assert_never

from prunella_operator.activities.repair.diff import number_diff
from prunella_operator.kubernetes.api import Object
from prunella_workflows.model.errors import ChangedSince
from prunella_workflows.model.plan import RaiseMaxReplicas, ReplicaAction, Scale


@dataclass(frozen=True)
class IntegerField:
    """The field of the spec, what it is before the action, and after it."""

    field: str
    before: int
    after: int

    def must_hold(self, raw: Object) -> None:
        """The live object must have the number that the decision was made on.

        Raises:
            ChangedSince: somebody changed it.
        """
        if (now := (raw.get("spec") or {}).get(self.field)) != self.before:
            name = f"{raw['kind']}/{raw['metadata']['name']}"
            raise ChangedSince(f"spec.{self.field} of {name} is {now} and no longer {self.before}")

    def operations(self) -> list[Object]:
        """The patch, which fails when the number changes before it is written."""
        path = f"/spec/{self.field}"
        return [
            {"op": "test", "path": path, "value": self.before},
            {"op": "replace", "path": path, "value": self.after},
        ]

    def diff(self) -> str:
        """The change for people."""
        return number_diff(self.field, self.before, self.after)


def number_of(action: ReplicaAction) -> IntegerField:
    """The number that an action sets."""
    match action:
        case Scale():
            return IntegerField("replicas", action.replicas_from, action.replicas_to)
        case RaiseMaxReplicas():
            return IntegerField("maxReplicas", action.max_from, action.max_to)
        case _ as never:
            assert_never(never)
