"""Actions that change a workload's pod template. The template that is replaced is kept as a snapshot first."""

from abc import abstractmethod
from contextlib import suppress
from typing import TypeVar

from prunella_operator.activities.repair import stuck_pods
from prunella_operator.activities.repair.change import Change, reverse
from prunella_operator.activities.repair.diff import template_diff
from prunella_operator.activities.repair.live_object import LiveObject, escape
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.views import revisions, templates
from prunella_workflows.model import labels
from prunella_workflows.model.errors import ChangedSince, NotFound
from prunella_workflows.model.plan import Action, Restart, RestoreTemplate, SetMemory, TemplateAction
from prunella_workflows.model.quantity import format_bytes
from prunella_workflows.model.workload import ContainerView, RevisionRef, WorkloadRef

_TEMPLATE = "/spec/template"
A = TypeVar("A", bound=TemplateAction)


class TemplateChange(Change[A]):
    """A change of a pod template: a subclass says what becomes of the template."""

    changes_template = True

    @property
    def undo_to(self) -> RevisionRef | None:
        """The template before an earlier repair that this action replaces, if it replaces one."""
        return None if isinstance(self.action, Restart) else self.action.undo_to

    @abstractmethod
    def apply(self, template: Object) -> tuple[Object, list[Object]]:
        """The template after the action, and the patch of exactly what the action changes in it."""

    def patch(self, live: LiveObject) -> tuple[dict[str, str], list[Object]]:
        """Keep the template as a snapshot, so that the undo does not depend on the controller's revisions."""
        body = revisions.snapshot(live.raw, self.action.target, revisions.BEFORE)
        with suppress(AlreadyExists):  # the name is the content's hash: the same template is kept already
            self.kube.create(paths.snapshots(self.action.target.namespace), body)
        after, operations = self.apply(live.template)
        before = self.undo_to.name if self.undo_to is not None else body["metadata"]["name"]
        marks = {labels.BEFORE: before, labels.AFTER: templates.template_hash(after)}
        return {**marks, **self._causes(live)}, operations

    def _causes(self, live: LiveObject) -> dict[str, str]:
        """The cause of the new revision, and the owner's, which the undo restores."""
        kept = live.annotations.get(labels.CAUSE_BEFORE)
        if self.undoing:
            return {} if kept is None else {labels.CHANGE_CAUSE: kept}
        owners = kept if self.undo_to is not None else None
        before = live.annotations.get(labels.CHANGE_CAUSE, "") if owners is None else owners
        return {labels.CHANGE_CAUSE: f"Prunella: {self.action}", labels.CAUSE_BEFORE: before}

    def finish(self) -> None:
        """Delete the broken pods that their StatefulSet would wait for forever."""
        action = self.action
        pods = stuck_pods.pods_stuck_after_undo(self.collector, action) if self.undoing else action.replace_pods
        stuck_pods.delete(self.kube, action.target.namespace, pods)

    def preview(self) -> str:
        """The diff between the template of now and the one after the action."""
        template = templates.template_of(self.collector.raw_workload(self.action.target))
        after, _ = self.apply(template)
        return template_diff(template, after)

    def diff(self, before: LiveObject | None, written: LiveObject) -> str:
        """The diff that was made. "" if an earlier attempt made it and either template of it is gone."""
        if before is not None:
            return template_diff(before.template, written.template)
        if templates.template_hash(written.template) != written.template_hash:
            return ""
        name = written.annotations.get(labels.BEFORE, "")
        try:
            kept = self.kube.get(paths.snapshots(self.action.target.namespace, name))
        except NotFound:
            return ""
        return template_diff(kept["data"]["template"], written.template)


class MemoryChange(TemplateChange[SetMemory]):
    """Set the memory of one container."""

    def apply(self, template: Object) -> tuple[Object, list[Object]]:
        """The template with the action's memory in it; nothing else differs."""
        key = "initContainers" if self.action.init else "containers"
        index, spec = self._find(template).index, template["spec"]
        base = f"{_TEMPLATE}/spec/{key}/{index}"
        patch: list[Object] = [{"op": "test", "path": f"{base}/name", "value": self.action.container}]
        resources = dict(spec[key][index].get("resources") or {})
        for kind, value in self._values().items():
            patch.append({"op": "add", "path": f"{base}/resources/{kind}/memory", "value": value})
            resources[kind] = {**(resources.get(kind) or {}), "memory": value}
        containers: list[Object] = [*spec[key]]
        containers[index] = {**containers[index], "resources": resources}
        return {**template, "spec": {**spec, key: containers}}, patch

    def undo(self, written: LiveObject) -> Action:
        """Set the old memory, or restore the template before an earlier raise."""
        if self.undo_to is not None:
            return _restore(self.action.target, written, self.undo_to)
        return reverse(self.action, written.precondition, replace_pods=())

    def _values(self) -> dict[str, str]:
        """The limit and, if it changes, the request."""
        limit, request = self.action.limit_to, self.action.request_to
        values = {"limits": format_bytes(limit)}
        if request is not None and request != self.action.request_from:
            values["requests"] = format_bytes(request)
        return values

    def _find(self, template: Object) -> ContainerView:
        wanted = (self.action.container, self.action.init)
        found = [view for view in templates.container_views(template) if (view.name, view.init) == wanted]
        if not found or found[0].memory_limit != self.action.limit_from:
            raise ChangedSince(f"the memory limit of container {self.action.container} was changed since the diagnosis")
        return found[0]


class RestoreChange(TemplateChange[RestoreTemplate]):
    """Restore an earlier template."""

    def apply(self, _template: Object) -> tuple[Object, list[Object]]:
        """The template of the revision; its hash proves that it is the one that the decision was made on."""
        ref, namespace = self.action.revision, self.action.target.namespace
        is_replica_set = ref.source == "ReplicaSet"
        parent = paths.collection("ReplicaSet", namespace) if is_replica_set else paths.snapshots(namespace)
        raw = self.kube.get(f"{parent}/{ref.name}")
        if ref.source == "Snapshot":
            restored: Object = (raw.get("data") or {}).get("template") or {}
        else:
            restored = _without_controller_fields(templates.template_of(raw))
        if templates.template_hash(restored) != ref.template_hash:
            raise NotFound(f"{ref.source} {ref.name} no longer holds the template it held at the diagnosis")
        return restored, [{"op": "replace", "path": _TEMPLATE, "value": restored}]

    def undo(self, written: LiveObject) -> Action:
        """Restore the snapshot that was taken before the write, or before an earlier repair."""
        name, digest = written.annotations.get(labels.BEFORE, ""), self.action.require.template_hash
        kept = self.undo_to or RevisionRef(source="Snapshot", name=name, template_hash=digest)
        return _restore(self.action.target, written, kept)


class RestartChange(TemplateChange[Restart]):
    """Restart all pods by a rolling update."""

    def apply(self, template: Object) -> tuple[Object, list[Object]]:
        """The template with the restart's stamp, as `kubectl rollout restart` sets it."""
        meta, base = template.get("metadata") or {}, f"{_TEMPLATE}/metadata/annotations"
        annotations = meta.get("annotations") or {}
        patch: list[Object] = [
            *([] if annotations else [{"op": "add", "path": base, "value": {}}]),
            {"op": "add", "path": f"{base}/{escape(templates.RESTARTED_AT)}", "value": self.action.stamp},
        ]
        stamped = {**annotations, templates.RESTARTED_AT: self.action.stamp}
        return {**template, "metadata": {**meta, "annotations": stamped}}, patch

    def undo(self, written: LiveObject) -> None:
        """Nothing to undo: it would restart everything once more."""


def _restore(target: WorkloadRef, written: LiveObject, kept: RevisionRef) -> RestoreTemplate:
    return RestoreTemplate(
        target=target, require=written.precondition, revision=kept, description="the template before the repair"
    )


def _without_controller_fields(template: Object) -> Object:
    """A template of a revision without the fields that only its controller may set."""
    meta = template.get("metadata") or {}
    kept = {key: value for key, value in (meta.get("labels") or {}).items() if key != templates.POD_TEMPLATE_HASH}
    rest = {key: value for key, value in template.items() if key != "$patch"}
    return {**rest, "metadata": {**meta, "labels": kept}}
