"""Repair and undo: the only writes to objects that are not ours.

Each write is absolute, carries its action id in the same patch, and is guarded three times: the live object must be
the one the decision was made on, the guards must still agree, and the patch itself tests uid and generation, so that
whatever happens between our read and the API server's write makes it fail. A repeated order finds its own id on the
object and returns what the first one did. What was there before is kept as a snapshot first.
"""

from contextlib import suppress
from datetime import datetime
from typing import assert_never

from prunella_operator import clock
from prunella_operator.activities import stuck
from prunella_operator.activities.diff import template_diff
from prunella_operator.activities.gather import Gatherer
from prunella_operator.activities.policies import effective_policy
from prunella_operator.activities.templates import (
    escaped,
    operations,
    undo_of,
    with_memory,
    with_stamp,
    without_controller_marks,
)
from prunella_operator.cluster import history, paths
from prunella_operator.cluster.kube import Kube
from prunella_operator.cluster.port import Object
from prunella_operator.cluster.rest import AlreadyExists
from prunella_operator.cluster.views import (
    template_hash,
    template_of,
    workload_view,
)
from prunella_workflows import guard
from prunella_workflows.contract import Repaired, RepairOrder
from prunella_workflows.errors import ChangedSince, Conflict, NotFound, Refused
from prunella_workflows.model.plan import Action, Precondition, Restart, RestoreTemplate, SetMemory
from prunella_workflows.model.workload import RevisionRef, WorkloadRef

_WRITTEN_AT = f"{paths.GROUP}/last-action-at"


class Repairer:
    """Makes one change, once."""

    def __init__(self, kube: Kube, gatherer: Gatherer, protected: tuple[str, ...]) -> None:
        self._kube = kube
        self._gatherer = gatherer
        self._protected = protected

    def repair(self, order: RepairOrder) -> Repaired:
        """Write if everything still holds; see the contract for the errors."""
        raw = self._live(order.action)
        if _last_action(raw) == order.action_id:
            done = self._result(order, raw)
        else:
            self._must_hold(raw, order.action.require)
            self._must_be_allowed(raw, order.action)
            done = self._write(order, raw)
        stuck.replace(self._kube, order.action.target.namespace, order.action.replace_pods)
        return done

    def undo(self, order: RepairOrder) -> Repaired:
        """Write the undo if the object is still exactly what we wrote. Guards do not stop it: the state is ours."""
        raw = self._live(order.action)
        if _last_action(raw) == order.action_id:
            done = self._result(order, raw)
        else:
            self._must_hold(raw, order.action.require)
            done = self._write(order, raw)
        stuck.replace(self._kube, order.action.target.namespace, stuck.left_behind(self._gatherer, order.action))
        return done

    def preview(self, action: Action) -> str:
        """The exact diff an action would make; nothing is written."""
        raw = self._gatherer.raw_workload(action.target)
        return template_diff(template_of(raw), self._changed(raw, action))

    def _live(self, action: Action) -> Object:
        """The target as it is now. Its name alone proves nothing: a namesake was never diagnosed."""
        raw = self._gatherer.raw_workload(action.target.model_copy(update={"uid": ""}))
        if raw["metadata"]["uid"] != action.require.uid:
            raise ChangedSince(f"{action.target} was deleted and made anew")
        return raw

    def _must_hold(self, raw: Object, require: Precondition) -> None:
        target = f"{raw['kind']}/{raw['metadata']['name']}"
        if _last_action(raw) != require.last_action:
            raise ChangedSince(f"{target} was changed by another repair ({_last_action(raw) or 'taken back'})")
        if template_hash(template_of(raw)) != require.template_hash:
            raise ChangedSince(f"the pod template of {target} was changed since the diagnosis")

    def _must_be_allowed(self, raw: Object, action: Action) -> None:
        """The guards that look at the object itself, asked right before the write."""
        view = workload_view(raw)
        labels = self._gatherer.namespace_labels(view.ref.namespace)
        case = guard.GuardCase(
            now=clock.now(),
            workload=view,
            namespace_labels=labels,
            protected_namespaces=self._protected,
            policy=effective_policy(self._kube, view, labels),
            action=action,
        )
        held = guard.holding(guard.ask(guard.AT_WRITE, case))
        if held is not None:
            raise ChangedSince(f"guard {held.name} holds now: {held.message}")

    def _write(self, order: RepairOrder, raw: Object) -> Repaired:
        before = self._keep(raw, order.action.target)
        after = self._changed(raw, order.action)
        meta = raw["metadata"]
        stamp = {paths.LAST_ACTION: order.action_id, _WRITTEN_AT: clock.now().isoformat(), paths.BEFORE: before.name}
        patch: list[Object] = [
            {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
            {"op": "test", "path": "/metadata/generation", "value": meta["generation"]},
            *([] if meta.get("annotations") else [{"op": "add", "path": "/metadata/annotations", "value": {}}]),
            *({"op": "add", "path": f"/metadata/annotations/{escaped(key)}", "value": stamp[key]} for key in stamp),
            *operations(order.action, raw, after),
        ]
        path = paths.workload(order.action.target)
        try:
            written = self._kube.json_patch(path, patch)
        except Refused as error:
            self._explain_refusal(order, raw, error)
            raise
        written.setdefault("kind", order.action.target.kind)
        return self._result(order, written, template_diff(template_of(raw), template_of(written)))

    def _explain_refusal(self, order: RepairOrder, raw: Object, refusal: Refused) -> None:
        """A failed test and an invalid value look the same (422). Read again: a moved object is tried again."""
        live = self._live(order.action)
        if live["metadata"]["generation"] != raw["metadata"]["generation"]:
            raise Conflict(f"{order.action.target} changed while it was being written") from refusal

    def _keep(self, raw: Object, ref: WorkloadRef) -> RevisionRef:
        """Snapshot the template that is about to be replaced, so that the undo does not depend on the history."""
        body = history.snapshot(raw, ref, history.BEFORE)
        name = body["metadata"]["name"]
        with suppress(AlreadyExists):  # the name is the content's hash: the same template is kept already
            self._kube.create(paths.snapshots(ref.namespace), body)
        return RevisionRef(source="Snapshot", name=name, template_hash=template_hash(template_of(raw)))

    def _changed(self, raw: Object, action: Action) -> Object:
        """The template after the action."""
        match action:
            case SetMemory():
                return with_memory(template_of(raw), action)
            case RestoreTemplate():
                return self._load(action)
            case Restart():
                return with_stamp(template_of(raw), action)
            case _ as never:
                assert_never(never)

    def _load(self, action: RestoreTemplate) -> Object:
        """The template a revision stands for; its hash proves that it is the one the decision was made on."""
        ref, namespace = action.revision, action.target.namespace
        if ref.source == "Snapshot":
            template = (self._kube.get(paths.snapshots(namespace, ref.name)).get("data") or {}).get("template") or {}
        else:
            own = ref.source == "ReplicaSet"
            path = (
                f"{paths.collection('ReplicaSet', namespace)}/{ref.name}"
                if own
                else paths.snapshots(namespace, ref.name)
            )
            template = template_of(self._kube.get(path))
            template = without_controller_marks(template)
        if template_hash(template) != ref.template_hash:
            raise NotFound(f"{ref.source} {ref.name} no longer holds the template it held at the diagnosis")
        return template

    def _result(self, order: RepairOrder, written: Object, diff: str = "") -> Repaired:
        digest = template_hash(template_of(written))
        annotations = written["metadata"]["annotations"]
        return Repaired(
            action_id=order.action_id,
            template_hash=digest,
            written_at=datetime.fromisoformat(annotations[_WRITTEN_AT]),
            diff=diff or self._diff_from_snapshot(annotations[paths.BEFORE], written),
            undo=undo_of(order, digest, annotations[paths.BEFORE]),
        )

    def _diff_from_snapshot(self, name: str, written: Object) -> str:
        """The diff of a write that was made in an earlier try; a snapshot that is gone does not unmake the write."""
        try:
            kept = self._kube.get(paths.snapshots(written["metadata"]["namespace"], name))
        except NotFound:
            return ""
        return template_diff(kept["data"]["template"], template_of(written))


def _last_action(raw: Object) -> str:
    return str((raw["metadata"].get("annotations") or {}).get(paths.LAST_ACTION, ""))
