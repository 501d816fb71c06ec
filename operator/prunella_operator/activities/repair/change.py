"""The port between the repair and the families of actions."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.live_object import LiveObject, parse
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.model.base import Value
from prunella_workflows.model.errors import ChangedSince
from prunella_workflows.model.plan import Action, Precondition

A = TypeVar("A", bound=Action)
V = TypeVar("V", bound=Value)


@dataclass(frozen=True)
class Change(ABC, Generic[A]):
    """One action: what it reads, checks, writes and leaves behind. With `undoing` it undoes an earlier one."""

    action: A
    kube: SyncClient
    collector: EvidenceCollector
    undoing: bool = False
    changes_template: ClassVar[bool] = False

    def read(self) -> LiveObject:
        """The object that is written, as it is now. Raises NotFound if it is gone, ChangedSince if it was recreated."""
        raw = self.collector.raw_workload(self.action.target.model_copy(update={"uid": ""}))
        return self.require_uid(parse(raw))

    def require_uid(self, live: LiveObject) -> LiveObject:
        """A name alone proves nothing: a namesake was never diagnosed."""
        if live.uid != self.action.require.uid:
            raise ChangedSince(f"{live.name} was deleted and recreated")
        return live

    def check(self, live: LiveObject) -> None:
        """Check what the action requires. Raises ChangedSince if the object, or what belongs to it, changed."""
        live.require(self.action.require)

    @abstractmethod
    def patch(self, live: LiveObject) -> tuple[dict[str, str], list[Object]]:
        """The annotations and the operations to write."""

    def write(self, patch: list[Object]) -> Object:
        """Patch the object."""
        return self.kube.json_patch(paths.workload(self.action.target), patch)

    def finish(self) -> None:
        """Complete the change after the write. A repeated order repeats it, so doing it twice must be doing it once."""

    @abstractmethod
    def preview(self) -> str:
        """The diff that the action would make."""

    def diff(self, _before: LiveObject | None, _written: LiveObject) -> str:
        """The diff that was made; without `before` an earlier attempt made it."""
        return self.preview()

    def undo(self, written: LiveObject) -> Action | None:
        """The inverse: the fields that were changed, and no others. None where nothing can be undone."""
        return reverse(self.action, written.precondition)


def reverse(action: V, require: Precondition, **values: Any) -> V:
    """The opposite action: every `..._from` and `..._to` change places."""
    names = {name.removesuffix("_from") for name in type(action).model_fields if name.endswith("_from")}
    swapped = {f"{name}_from": getattr(action, f"{name}_to") for name in names}
    swapped |= {f"{name}_to": getattr(action, f"{name}_from") for name in names}
    return action.model_copy(update={**swapped, "require": require, **values})
