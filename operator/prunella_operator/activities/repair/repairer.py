"""Repair and undo: the only writes to objects that are not ours.

Each write is absolute and guarded three times: the live object must be the one the decision was made on, the guards
must still agree, and the patch tests uid, version and what it replaces, so that it fails after any change since our
read. It carries its action id and the change: a repeated order finds both on the object and returns what the first one
did.
"""

from datetime import datetime
from typing import Any

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.evidence.policies import effective_policy
from prunella_operator.activities.repair.change import Change
from prunella_operator.activities.repair.change_factory import change_for
from prunella_operator.activities.repair.guard_checks import require_pass, require_within_limits
from prunella_operator.activities.repair.live_object import LiveObject, parse
from prunella_operator.activities.repair.repair_slots import RepairSlotAllocator
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.digest import digest
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.track_records import TrackRecords
from prunella_workflows.contracts.healing import Repaired, RepairOrder, Sent, undo_id
from prunella_workflows.decisions import guards
from prunella_workflows.decisions.autonomy.level import judge
from prunella_workflows.model import labels
from prunella_workflows.model.autonomy import AutonomyNote
from prunella_workflows.model.errors import ChangedSince, Conflict, Refused
from prunella_workflows.model.plan import Action
from prunella_workflows.model.policy import EffectivePolicy
from prunella_workflows.model.workload import WorkloadRef


class Repairer:
    """Makes one change, once."""

    def __init__(self, kube: SyncClient, collector: EvidenceCollector, protected: tuple[str, ...]) -> None:
        self._kube = kube
        self._collector = collector
        self._protected = protected
        self._slots = RepairSlotAllocator(kube)
        self._records = TrackRecords(kube)

    def repair(self, order: RepairOrder) -> Repaired:
        """Write if everything still holds; see the contract for the errors."""
        with self._slots.local_limit():
            change = change_for(order.action, self._kube, self._collector)
            live = change.read()
            repeated = live.carries(order.action_id, str(order.action))
            done = _result(order, change, live) if repeated else self._apply(order, change, live)
            change.finish()
            return done

    def undo(self, order: RepairOrder) -> Repaired:
        """Write the undo if the object is still exactly what we wrote. Guards do not stop it: the state is ours."""
        _require_own_undo(order)
        change = change_for(order.action, self._kube, self._collector, undoing=True)
        live = change.read()
        made = self._find_made(order, change, live)
        if made is not None:
            done = _result(order, change, made)
        else:
            change.check(live)
            done = self._write(order, change, live)
        change.finish()
        return done

    def _find_made(self, order: RepairOrder, change: Change[Any], live: LiveObject) -> LiveObject | None:
        """The object as an earlier attempt of this order left it. The repair of a later incident may have followed.

        A Deployment's ReplicaSets show that; no other controller copies the marks to its revisions.
        """
        followed = live.last_action not in (order.action_id, order.action.require.last_action)
        kept = followed and change.changes_template and live.raw["kind"] == "Deployment"
        states = map(live.as_kept, self._collector.history(live.raw)) if kept else (live,)
        return next((one for one in states if one.carries(order.action_id, str(order.action))), None)

    def preview(self, action: Action) -> str:
        """The exact diff an action would make; nothing is written."""
        return change_for(action, self._kube, self._collector).preview()

    def _apply(self, order: RepairOrder, change: Change[Any], live: LiveObject) -> Repaired:
        change.check(live)
        case = self._guard_case(order, live.workload)
        require_pass(guards.AT_WRITE, case)
        require_within_limits(case)
        with self._slots.acquire(order, case):
            return self._write(order, change, live)

    def _guard_case(self, order: RepairOrder, raw: Object) -> guards.GuardCase:
        """The facts for the guards right before the write. Slots are read when this repair acquires its own."""
        workload, pods = self._collector.view_of(raw)
        namespace = workload.ref.namespace
        namespace_labels = self._collector.namespace_labels(namespace)
        policy = effective_policy(self._kube, workload, namespace_labels)
        return guards.GuardCase(
            now=clock.now(),
            incident=order.incident.name,
            workload=workload,
            pods=pods,
            scaling=self._collector.scaling(raw),
            namespace_labels=namespace_labels,
            protected_namespaces=self._protected,
            policy=policy,
            cause=order.cause,
            action=order.action,
            severity=order.severity,
            approval=order.answer,
            continues=order.continues,
            healthy_percent=self._collector.healthy_percent(namespace, policy),
            autonomy=self._autonomy(workload.ref, policy, order),
        )

    def _autonomy(self, ref: WorkloadRef, policy: EffectivePolicy, order: RepairOrder) -> AutonomyNote | None:
        """The level that the action has earned by now; None where none must be earned."""
        if not policy.autonomy.enabled:
            return None
        return judge(self._records.read(ref), policy.autonomy, ref, order.action.kind, order.lowest)

    def _write(self, order: RepairOrder, change: Change[Any], live: LiveObject) -> Repaired:
        now = clock.now().isoformat()
        annotations, operations = change.patch(live)
        marks = {labels.LAST_ACTION: order.action_id, labels.LAST_ACTION_AT: now, labels.LAST_CHANGE: str(order.action)}
        patch = live.patch({**marks, **annotations}, operations)
        try:
            raw = change.write(patch)
        except Refused as error:
            # A failed test and an invalid value look the same (422). An object that changed meanwhile is tried again.
            if change.read().version != live.version:
                raise Conflict(f"{live.name} changed while it was being written") from error
            raise
        done = _result(order, change, parse({"kind": live.raw["kind"], **raw}), before=live)
        return done.model_copy(update={"sent": Sent(read=live.read_as, patch=digest(patch))})


def _result(order: RepairOrder, change: Change[Any], written: LiveObject, before: LiveObject | None = None) -> Repaired:
    """The result of the write. Without `before` an earlier attempt made it, and others may have written since."""
    left = written.as_left() if change.changes_template and before is None else written
    return Repaired(
        action_id=order.action_id,
        template_hash=left.template_hash,
        written_at=datetime.fromisoformat(left.annotations[labels.LAST_ACTION_AT]),
        diff=change.diff(before, left),
        undo=change.undo(left),
    )


def _require_own_undo(order: RepairOrder) -> None:
    """Undo is not guarded, so require that the object still carries the action id of the repair being undone."""
    repair = order.action.require.last_action
    if not repair or order.action_id != undo_id(repair):
        raise ChangedSince(f"{order.action_id} is not the undo of a repair that {order.action.target} carries")
