"""Repair and undo: the only writes to objects that are not ours.

Each write is absolute, carries its action id in the same patch, and is guarded three times: the live object must be
the one the decision was made on, the guards must still agree, and the patch itself tests uid, version and what it
replaces, so that whatever happens between our read and the API server's write makes it fail. A repeated order finds its
own id on the object and returns what the first one did. A template that is replaced is kept as a snapshot first.

The object that is written is the workload, but for RaiseMaxReplicas, which writes the workload's autoscaler.
ResizePods writes its action id to the workload and then changes the pods, so that a repeated order completes them.
"""

from contextlib import suppress
from datetime import datetime
from typing import assert_never

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.policies import effective_policy
from prunella_operator.activities.repair import pod_resize, stuck_pods
from prunella_operator.activities.repair.diff import template_diff
from prunella_operator.activities.repair.guard_checks import must_be_within_limits, must_pass
from prunella_operator.activities.repair.repair_slots import RepairSlotAllocator
from prunella_operator.activities.repair.replica_patches import number_of
from prunella_operator.activities.repair.template_patches import (
    escaped,
    operations,
    undo_of,
    with_memory,
    with_stamp,
    without_controller_marks,
)
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.workloads import (
    template_hash,
    template_of,
    workload_view,
)
from prunella_workflows.contracts.healing import Repaired, RepairOrder
from prunella_workflows.decisions import guards as guard
from prunella_workflows.model.errors import ChangedSince, Conflict, NotFound, Refused
from prunella_workflows.model.labels import AFTER, BEFORE, LAST_ACTION, LAST_ACTION_AT
from prunella_workflows.model.plan import (
    Action,
    RaiseMaxReplicas,
    ReplicaAction,
    ResizePods,
    Restart,
    RestoreTemplate,
    SetMemory,
    TemplateAction,
)
from prunella_workflows.model.workload import RevisionRef, WorkloadRef

_AUTOSCALER = "HorizontalPodAutoscaler"


class Repairer:
    """Makes one change, once."""

    def __init__(self, kube: SyncClient, gatherer: EvidenceCollector, protected: tuple[str, ...]) -> None:
        self._kube = kube
        self._gatherer = gatherer
        self._protected = protected
        self._turns = RepairSlotAllocator(kube)

    def repair(self, order: RepairOrder) -> Repaired:
        """Write if everything still holds; see the contract for the errors."""
        with self._turns.place():
            return self._repair(order)

    def _repair(self, order: RepairOrder) -> Repaired:
        action = order.action
        raw = self._live(action)
        if _last_action(raw) == order.action_id:
            done = self._result(order, raw)
        else:
            self._must_hold(raw, action)
            if isinstance(action, ResizePods):
                pod_resize.must_hold(self._kube, action)
            case = self._case(raw, order)
            must_pass(guard.AT_WRITE, case)
            must_be_within_limits(case)
            with self._turns.turn(order, case):
                done = self._write(order, raw)
        if isinstance(action, ResizePods):
            pod_resize.resize(self._kube, action)
        elif not isinstance(action, ReplicaAction):
            stuck_pods.replace(self._kube, action.target.namespace, action.replace_pods)
        return done

    def undo(self, order: RepairOrder) -> Repaired:
        """Write the undo if the object is still exactly what we wrote. Guards do not stop it: the state is ours."""
        action = order.action
        _must_be_of_a_repair(order)
        raw = self._live(action)
        if _last_action(raw) == order.action_id:
            done = self._result(order, raw)
        else:
            self._must_hold(raw, action)
            done = self._write(order, raw)
        if isinstance(action, ResizePods):
            pod_resize.take_back(self._kube, action)
        elif not isinstance(action, ReplicaAction):
            stuck_pods.replace(self._kube, action.target.namespace, stuck_pods.left_behind(self._gatherer, action))
        return done

    def preview(self, action: Action) -> str:
        """The exact diff an action would make; nothing is written."""
        if isinstance(action, ReplicaAction):
            return number_of(action).diff()
        if isinstance(action, ResizePods):
            return pod_resize.diff(action)
        raw = self._gatherer.raw_workload(action.target)
        return template_diff(template_of(raw), self._changed(raw, action))

    def _live(self, action: Action) -> Object:
        """The object to write as it is now. Its name alone proves nothing: a namesake was never diagnosed."""
        if isinstance(action, RaiseMaxReplicas):
            raw = self._autoscaler(action)
        else:
            raw = self._gatherer.raw_workload(action.target.model_copy(update={"uid": ""}))
        if raw["metadata"]["uid"] != action.require.uid:
            raise ChangedSince(f"{_name(raw)} was deleted and made anew")
        return raw

    def _autoscaler(self, action: RaiseMaxReplicas) -> Object:
        """The autoscaler as it is now. Without it something else scales the workload by now."""
        try:
            return {"kind": _AUTOSCALER, **self._kube.get(_path(action))}
        except NotFound as error:
            raise ChangedSince(f"{_AUTOSCALER}/{action.autoscaler} was deleted") from error

    def _must_hold(self, raw: Object, action: Action) -> None:
        require = action.require
        if _last_action(raw) != require.last_action:
            raise ChangedSince(f"{_name(raw)} was changed by another repair ({_last_action(raw) or 'taken back'})")
        if _digest(raw) != require.template_hash:
            raise ChangedSince(f"the pod template of {_name(raw)} was changed since the diagnosis")
        if isinstance(action, ReplicaAction):
            number_of(action).must_hold(raw)

    def _case(self, raw: Object, order: RepairOrder) -> guard.GuardCase:
        """What the guards look at right before the write; the budgets' turns are read when this one's is taken."""
        action = order.action
        workload = self._gatherer.raw_workload(action.target) if isinstance(action, RaiseMaxReplicas) else raw
        view = workload_view(workload)
        labels = self._gatherer.namespace_labels(view.ref.namespace)
        policy = effective_policy(self._kube, view, labels)
        return guard.GuardCase(
            now=clock.now(),
            incident=order.incident.name,
            workload=view,
            scaling=self._gatherer.scaling(workload),
            namespace_labels=labels,
            protected_namespaces=self._protected,
            policy=policy,
            cause=order.cause,
            action=action,
            severity=order.severity,
            approval=order.answer,
            healthy_percent=self._gatherer.healthy_percent(view.ref.namespace, policy),
        )

    def _write(self, order: RepairOrder, raw: Object) -> Repaired:
        action, meta = order.action, raw["metadata"]
        stamp = {LAST_ACTION: order.action_id, LAST_ACTION_AT: clock.now().isoformat()}
        if isinstance(action, ReplicaAction):
            changes = number_of(action).operations()
        elif isinstance(action, ResizePods):
            changes = []
        else:
            stamp[BEFORE] = self._keep(raw, action.target).name
            after = self._changed(raw, action)
            stamp[AFTER] = template_hash(after)
            changes = operations(action, raw, after)
        patch: list[Object] = [
            {"op": "test", "path": "/metadata/uid", "value": meta["uid"]},
            {"op": "test", "path": f"/metadata/{_version(raw)}", "value": meta[_version(raw)]},
            *([] if meta.get("annotations") else [{"op": "add", "path": "/metadata/annotations", "value": {}}]),
            *({"op": "add", "path": f"/metadata/annotations/{escaped(key)}", "value": stamp[key]} for key in stamp),
            *changes,
        ]
        try:
            written = self._kube.json_patch(_path(action), patch)
        except Refused as error:
            self._explain_refusal(order, raw, error)
            raise
        written.setdefault("kind", raw["kind"])
        return self._result(order, written, raw)

    def _explain_refusal(self, order: RepairOrder, raw: Object, refusal: Refused) -> None:
        """A failed test and an invalid value look the same (422). Read again: a moved object is tried again."""
        live, version = self._live(order.action), _version(raw)
        if live["metadata"][version] != raw["metadata"][version]:
            raise Conflict(f"{_name(raw)} changed while it was being written") from refusal

    def _keep(self, raw: Object, ref: WorkloadRef) -> RevisionRef:
        """Snapshot the template that is about to be replaced, so that the undo does not depend on the revisions."""
        body = revisions.snapshot(raw, ref, revisions.BEFORE)
        name = body["metadata"]["name"]
        with suppress(AlreadyExists):  # the name is the content's hash: the same template is kept already
            self._kube.create(paths.snapshots(ref.namespace), body)
        return RevisionRef(source="Snapshot", name=name, template_hash=template_hash(template_of(raw)))

    def _changed(self, raw: Object, action: TemplateAction) -> Object:
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

    def _result(self, order: RepairOrder, written: Object, before: Object | None = None) -> Repaired:
        """What was done, also when an earlier try did it; then what was there `before` is read from its snapshot."""
        annotations = written["metadata"]["annotations"]
        snapshot = annotations.get(BEFORE, "")
        return Repaired(
            action_id=order.action_id,
            template_hash=_digest(written),
            written_at=datetime.fromisoformat(annotations[LAST_ACTION_AT]),
            diff=self._diff(order.action, written, before, snapshot),
            undo=undo_of(order, _digest(written), snapshot),
        )

    def _diff(self, action: Action, written: Object, before: Object | None, snapshot: str) -> str:
        if isinstance(action, ReplicaAction):
            return number_of(action).diff()
        if isinstance(action, ResizePods):
            return pod_resize.diff(action)
        if before is not None:
            return template_diff(template_of(before), template_of(written))
        return self._diff_from_snapshot(snapshot, written)

    def _diff_from_snapshot(self, name: str, written: Object) -> str:
        """The diff of a write that was made in an earlier try; a snapshot that is gone does not unmake the write."""
        try:
            kept = self._kube.get(paths.snapshots(written["metadata"]["namespace"], name))
        except NotFound:
            return ""
        return template_diff(kept["data"]["template"], template_of(written))


def _must_be_of_a_repair(order: RepairOrder) -> None:
    """An undo passes no guard, so it is made only where the object bears the id of the very repair that it is of."""
    repair = order.action.require.last_action
    if not repair or order.action_id != f"{repair}-undo":
        raise ChangedSince(f"{order.action_id} is not the undo of a repair that {order.action.target} bears")


def _path(action: Action) -> str:
    """Where the object that the action writes lives."""
    if isinstance(action, RaiseMaxReplicas):
        return paths.autoscalers(action.target.namespace, action.autoscaler)
    return paths.workload(action.target)


def _name(raw: Object) -> str:
    return f"{raw['kind']}/{raw['metadata']['name']}"


def _version(raw: Object) -> str:
    """What counts the changes of an object: those to the spec, where the API server counts them by themselves."""
    return "resourceVersion" if raw["kind"] == _AUTOSCALER else "generation"


def _digest(raw: Object) -> str:
    """The hash of a workload's pod template; an autoscaler has none."""
    return "" if raw["kind"] == _AUTOSCALER else template_hash(template_of(raw))


def _last_action(raw: Object) -> str:
    return str((raw["metadata"].get("annotations") or {}).get(LAST_ACTION, ""))
