"""The object that an action writes, read once, and the patch that fails if it changed after it was read."""

from dataclasses import dataclass, replace
from typing import Any

from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.views.templates import template_hash, template_of
from prunella_workflows.model import labels
from prunella_workflows.model.errors import ChangedSince
from prunella_workflows.model.plan import Precondition

AUTOSCALER = "HorizontalPodAutoscaler"


@dataclass(frozen=True)
class LiveObject:
    """An object as it was read, with all that a write depends on. An autoscaler has no template, and "" as its hash."""

    raw: Object
    workload: Object
    """The workload that guards judge: the object itself, or the one that an autoscaler scales."""
    name: str
    uid: str
    version_field: str
    """The metadata's count of changes: those of the spec where the API server counts them separately, else all."""
    version: Any
    annotations: dict[str, str]
    template: Object
    template_hash: str

    @property
    def last_action(self) -> str:
        """The id of the last action that changed the object."""
        return str(self.annotations.get(labels.LAST_ACTION, ""))

    @property
    def read_as(self) -> str:
        """The version that was read, in words: `generation 7`."""
        return f"{self.version_field} {self.version}"

    @property
    def precondition(self) -> Precondition:
        """The state that an action decided on now would require."""
        return Precondition(uid=self.uid, template_hash=self.template_hash, last_action=self.last_action)

    def as_left(self) -> "LiveObject":
        """The object as its last action left it: a later change of the template is not verified or undone as ours."""
        return replace(self, template_hash=self.annotations.get(labels.AFTER, self.template_hash))

    def as_kept(self, revision: Object) -> "LiveObject":
        """The object when this was its newest revision: a ReplicaSet keeps its Deployment's annotations of then."""
        template = template_of(revision)
        marks = revision["metadata"].get("annotations") or {}
        return replace(self, annotations=marks, template=template, template_hash=template_hash(template))

    def carries(self, action_id: str, change: str) -> bool:
        """Report whether this action changed the object last. Raises ChangedSince if its id names another change."""
        if self.last_action != action_id:
            return False
        if (found := self.annotations.get(labels.LAST_CHANGE)) != change:
            raise ChangedSince(f"action {action_id} of {self.name} is another change: {found or 'not recorded'}")
        return True

    def require(self, expected: Precondition) -> None:
        """Raises ChangedSince if the object was repaired, or its template changed, after the decision."""
        if self.last_action != expected.last_action:
            raise ChangedSince(f"{self.name} was changed by another repair ({self.last_action or 'rolled back'})")
        if self.template_hash != expected.template_hash:
            raise ChangedSince(f"the pod template of {self.name} was changed since the diagnosis")

    def patch(self, annotations: dict[str, str], changes: list[Object]) -> list[Object]:
        """The JSON patch of these annotations and changes; it fails unless this version of the object is current."""
        base = "/metadata/annotations"
        return [
            {"op": "test", "path": "/metadata/uid", "value": self.uid},
            {"op": "test", "path": f"/metadata/{self.version_field}", "value": self.version},
            *([] if self.annotations else [{"op": "add", "path": base, "value": {}}]),
            *({"op": "add", "path": f"{base}/{escape(key)}", "value": text} for key, text in annotations.items()),
            *changes,
        ]


def parse(raw: Object, workload: Object | None = None) -> LiveObject:
    """Interpret a raw object; it must have its kind."""
    meta, scaler = raw["metadata"], raw["kind"] == AUTOSCALER
    version_field = "resourceVersion" if scaler else "generation"
    template = {} if scaler else template_of(raw)
    return LiveObject(
        raw=raw,
        workload=workload or raw,
        name=f"{raw['kind']}/{meta['name']}",
        uid=meta["uid"],
        version_field=version_field,
        version=meta[version_field],
        annotations=meta.get("annotations") or {},
        template=template,
        template_hash="" if scaler else template_hash(template),
    )


def escape(key: str) -> str:
    """Escape a key for a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")
