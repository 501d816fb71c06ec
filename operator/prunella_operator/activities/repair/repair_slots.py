"""Repair slots: a repair acquires one right before it writes, so budgets hold however many repairs start at once.

The incident requests a slot (a label), reads all others (fresh lists), then acquires it (label and annotation) if its
object is still the one that made the request. Held slots count, and so do earlier requests, in the API server's own
order of writes; docs/decisions/0014-turns.md shows why no two can both slip through. Lists carry metadata only, and
only of incidents that hold or request a slot: a storm of waiting ones costs nothing.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock

from prunella_operator import clock
from prunella_operator.activities.repair.guard_checks import require_pass
from prunella_operator.activities.repair.single_flight import SingleFlight
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.decisions.guards import IN_SLOT, GuardCase
from prunella_workflows.model import errors
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.labels import REPAIR_SLOT, REPAIR_SLOTS
from prunella_workflows.model.repair_slot import RepairSlot, RepairSlots

REQUESTED = "requested"
_IS_ACTIVE = ",".join(f"status.phase!={phase.value}" for phase in Phase if not phase.acting)
_RECENT_HOURS = (-1, 0, 1)  # the last one because clocks differ
_MAX_ATTEMPTS = 5
_MAX_LOCAL_REPAIRS = 16
_RETRY_INTERVAL_SECONDS = 20.0


class RepairSlotAllocator:
    """Reads, acquires and releases slots. One repair of this process requests at a time, to keep lists short."""

    def __init__(self, kube: SyncClient) -> None:
        self._kube = kube
        self._gate, self._local = Lock(), BoundedSemaphore(_MAX_LOCAL_REPAIRS)
        self._shared = SingleFlight(lambda: self.read(""))

    def peek(self, own_uid: str) -> RepairSlots:
        """All slots that count now, from a read that may serve other repairs too: a storm starts hundreds at once."""
        return self._shared().model_copy(update={"own_uid": own_uid})

    def read(self, own_uid: str, own_version: int | None = None) -> RepairSlots:
        """All slots that count now."""
        # In this order: what is seen requesting is in the second list too, with a slot that it acquired in between.
        running = self._kube.metadata(paths.incidents(), labelSelector=REPAIR_SLOT, fieldSelector=_IS_ACTIVE)
        running_slots = _parse_slots(running)
        values = ",".join((REQUESTED, *(_hour(clock.now() + timedelta(hours=offset)) for offset in _RECENT_HOURS)))
        recent = self._kube.metadata(paths.incidents(), labelSelector=f"{REPAIR_SLOT} in ({values})")
        recent_slots = _parse_slots(recent)
        return RepairSlots(own_uid=own_uid, own_version=own_version, running=running_slots, recent=recent_slots)

    @contextmanager
    def acquire(self, order: RepairOrder, case: GuardCase) -> Iterator[None]:
        """Hold a slot while the repair writes. A repair that is not made after all releases it.

        Raises Held if the budgets are full or the incident is not in the state it should be in, ChangedSince if a
        budget is used up for longer or the incident is gone, Unavailable if the API server does not answer.
        """
        own = self._own_incident_with_room(order, case)  # a repair that has to wait anyway requests nothing
        if order.action_id not in _acquired(own):  # else an earlier attempt of the same order acquired it
            with self._gate:
                self._acquire(order, case, own)
        try:
            yield
        except errors.Permanent:
            self._release(order)
            raise

    @contextmanager
    def local_limit(self) -> Iterator[None]:
        """Limit the repairs of this process: hundreds only slow each other down. Raises Unavailable at the limit."""
        if not self._local.acquire(blocking=False):
            raise errors.Unavailable("this process is busy with other repairs", again=_RETRY_INTERVAL_SECONDS)
        try:
            yield
        finally:
            self._local.release()

    def _own_incident_with_room(self, order: RepairOrder, case: GuardCase) -> Object:
        """The incident, if it holds its slot already, or if there seems to be room for it."""
        own = self._own_incident(order)
        if order.action_id not in _acquired(own):
            _require_room(case, self.peek(own["metadata"]["uid"]))
        return own

    def _acquire(self, order: RepairOrder, case: GuardCase, own: Object) -> None:
        for _ in range(_MAX_ATTEMPTS):
            with suppress(errors.Conflict):  # the incident was written to: the next request is behind those made since
                self._request_and_acquire(order, case, own)
                return
            own = self._own_incident_with_room(order, case)
            if order.action_id in _acquired(own):
                return
        raise errors.Conflict(f"incident {order.incident.name} changes faster than its repair can acquire a slot")

    def _request_and_acquire(self, order: RepairOrder, case: GuardCase, own: Object) -> None:
        requested = self._write(own, _acquired(own), order, REQUESTED)
        meta = requested["metadata"]
        try:
            _require_room(case, self.read(meta["uid"], int(meta["resourceVersion"])))
        except errors.Permanent:
            self._release(order)
            raise
        now = clock.now()
        acquired = {**_acquired(requested), order.action_id: now.isoformat()}
        self._write(requested, acquired, order, _hour(now))

    def _own_incident(self, order: RepairOrder) -> Object:
        """The incident, which must announce this very repair to others. Once it has a verdict, a worker is too late."""
        try:
            own = self._kube.get(_path(order))
        except errors.NotFound as error:
            raise errors.ChangedSince(f"incident {order.incident.name} was deleted") from error
        if own["metadata"]["uid"] != order.incident.uid:
            raise errors.ChangedSince(f"incident {order.incident.name} was deleted and recreated")
        if "deletionTimestamp" in own["metadata"]:
            raise errors.ChangedSince(f"incident {order.incident.name} is being deleted")
        status = own.get("status") or {}
        latest = (status.get("attempts") or [{}])[-1]
        is_other = latest.get("actionId") != order.action_id or latest.get("verdict")
        if status.get("phase") != Phase.REPAIRING or is_other:
            raise errors.Held(f"incident {order.incident.name} does not announce this repair yet")
        if (own.get("spec") or {}).get("suspend"):
            raise errors.Held(f"incident {order.incident.name} is suspended")
        return own

    def _release(self, order: RepairOrder) -> None:
        """Withdraw the request, or the slot of a repair that was not made. If that fails, one too many is counted."""
        with suppress(errors.PrunellaError):
            own = self._kube.get(_path(order))
            acquired = {key: at for key, at in _acquired(own).items() if key != order.action_id}
            last = max(map(datetime.fromisoformat, acquired.values()), default=None)  # `_acquired` validated them
            self._write(own, acquired, order, _hour(last) if last else None)

    def _write(self, own: Object, acquired: dict[str, str], order: RepairOrder, label: str | None) -> Object:
        """Write label and annotation. Raises Conflict if the incident was written to after it was read."""
        note = json.dumps({"target": str(order.action.target), "taken": acquired})
        meta = {"resourceVersion": own["metadata"]["resourceVersion"], "uid": own["metadata"]["uid"]}
        slot = {"labels": {REPAIR_SLOT: label}, "annotations": {REPAIR_SLOTS: note if label else None}}
        return self._kube.merge_patch(_path(order), {"metadata": {**meta, **slot}})


def _require_room(case: GuardCase, slots: RepairSlots) -> None:
    require_pass(IN_SLOT, case.model_copy(update={"slots": slots, "now": clock.now()}))


def _path(order: RepairOrder) -> str:
    return paths.incidents(order.incident.namespace, order.incident.name)


def _hour(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H")


def _parse_note(raw: Object) -> Object:
    """The annotation of an incident. Anyone who may patch an incident can write nonsense: it must stop no other one."""
    try:
        note = json.loads((raw["metadata"].get("annotations") or {}).get(REPAIR_SLOTS) or "{}")
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _acquired(raw: Object) -> dict[str, str]:
    """The times at which the incident acquired its slots, by action id."""
    acquired = _parse_note(raw).get("taken")
    return {key: at for key, at in acquired.items() if parse_annotation_time(at)} if isinstance(acquired, dict) else {}


def _parse_slots(incidents: Iterable[Object]) -> tuple[RepairSlot, ...]:
    """The slots of incidents. One that is being deleted counts for nothing: a finalizer can keep it."""
    return tuple(_parse_slot(raw) for raw in incidents if "deletionTimestamp" not in raw["metadata"])


def _parse_slot(raw: Object) -> RepairSlot:
    meta = raw["metadata"]
    return RepairSlot(
        incident=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        workload=str(_parse_note(raw).get("target", "")),
        version=int(meta["resourceVersion"]),
        requested=(meta.get("labels") or {}).get(REPAIR_SLOT) == REQUESTED,
        acquired_at=tuple(map(datetime.fromisoformat, _acquired(raw).values())),
    )
