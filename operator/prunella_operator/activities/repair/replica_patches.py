"""Actions that set one whole number in an object's spec."""

from abc import abstractmethod
from typing import TypeVar

from prunella_operator.activities.repair.change import Change
from prunella_operator.activities.repair.diff import number_diff
from prunella_operator.activities.repair.live_object import AUTOSCALER, LiveObject, parse
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_workflows.model.errors import ChangedSince, NotFound
from prunella_workflows.model.plan import RaiseMaxReplicas, ReplicaAction, Scale

A = TypeVar("A", bound=ReplicaAction)


class ReplicaChange(Change[A]):
    """A change of one number. A subclass names it."""

    @property
    @abstractmethod
    def number(self) -> tuple[str, int, int]:
        """The field of the spec, its value before the action, and its value after it."""

    def check(self, live: LiveObject) -> None:
        """The object must have the number that the decision was made on as well."""
        super().check(live)
        field, before, _ = self.number
        if (now := (live.raw.get("spec") or {}).get(field)) != before:
            raise ChangedSince(f"spec.{field} of {live.name} is {now} and no longer {before}")

    def patch(self, _live: LiveObject) -> tuple[dict[str, str], list[Object]]:
        """The new number. The write fails if the number changes first."""
        field, before, after = self.number
        path = f"/spec/{field}"
        return {}, [{"op": "test", "path": path, "value": before}, {"op": "replace", "path": path, "value": after}]

    def preview(self) -> str:
        """The diff of the number."""
        return number_diff(*self.number)


class ScaleChange(ReplicaChange[Scale]):
    """Set the replicas of a workload."""

    @property
    def number(self) -> tuple[str, int, int]:
        """The replicas."""
        return "replicas", self.action.replicas_from, self.action.replicas_to


class MaxReplicasChange(ReplicaChange[RaiseMaxReplicas]):
    """Set the maximum of the autoscaler of a workload."""

    @property
    def number(self) -> tuple[str, int, int]:
        """The maximum."""
        return "maxReplicas", self.action.max_from, self.action.max_to

    def read(self) -> LiveObject:
        """The autoscaler, with the workload for the guards. Without it something else scales the workload by now."""
        try:
            raw = {"kind": AUTOSCALER, **self.kube.get(self._path())}
        except NotFound as error:
            raise ChangedSince(f"{AUTOSCALER}/{self.action.autoscaler} was deleted") from error
        workload = None if self.undoing else self.collector.raw_workload(self.action.target)
        return self.require_uid(parse(raw, workload))

    def write(self, patch: list[Object]) -> Object:
        """Patch the autoscaler."""
        return self.kube.json_patch(self._path(), patch)

    def _path(self) -> str:
        return paths.autoscalers(self.action.target.namespace, self.action.autoscaler)
