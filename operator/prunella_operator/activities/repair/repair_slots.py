"""Turns: a repair takes its turn right before it writes, so that budgets hold however many repairs come at once.

The incident asks (a label), then looks at all others (fresh lists), then takes its turn (label and annotation) under
the condition that its object is still the one that asked. Those that have their turn count, and of those that ask the
ones that asked earlier, by the API server's own order of writes. Why no two can both slip through is in
docs/decisions/0014-turns.md; its unit test plays all interleavings of small crowds.

Lists carry metadata only, and only of incidents that have or ask for a turn: a storm of waiting ones costs nothing.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from threading import BoundedSemaphore, Lock

from prunella_operator import clock
from prunella_operator.activities.repair.guard_checks import must_pass
from prunella_operator.activities.repair.single_flight import SingleFlight
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_workflows.contracts.healing import RepairOrder
from prunella_workflows.decisions.guards import IN_SLOT, GuardCase
from prunella_workflows.model import labels
from prunella_workflows.model.errors import (
    ChangedSince,
    Conflict,
    Held,
    NotFound,
    Permanent,
    PrunellaError,
    Unavailable,
)
from prunella_workflows.model.incident_status import Phase
from prunella_workflows.model.repair_slot import RepairSlot, RepairSlots

ASKING = "asking"
_HOUR = "%Y-%m-%dT%H"
_UNDER_WAY = frozenset({Phase.REPAIRING, Phase.VERIFYING})
_RUNNING = ",".join(f"status.phase!={one.value}" for one in Phase if one not in _UNDER_WAY)
_HOURS = (-1, 0, 1)  # the last one because clocks differ
_TRIES = 5
_PLACES = 16
_AGAIN = 20.0  # seconds until the next try of who found none


class RepairSlotAllocator:
    """Reads and takes turns. One repair of this process asks at a time: few that ask make short lists.

    In a storm hundreds come at once. Most of them have to wait, and learn it from a look that serves them all.
    """

    def __init__(self, kube: SyncClient) -> None:
        self._kube = kube
        self._gate, self._places = Lock(), BoundedSemaphore(_PLACES)
        self._shared = SingleFlight(lambda: self.look(""))

    def glance(self, mine: str) -> RepairSlots:
        """All turns that count now, by a look that may serve others too."""
        return self._shared().model_copy(update={"own_uid": mine})

    def look(self, mine: str, version: int | None = None) -> RepairSlots:
        """All turns that count now. The order of the two lists matters: who asks in the first has to be in the second
        with what he has had, or with the turn that he took meanwhile.
        """
        running = self._kube.metadata(paths.incidents(), labelSelector=labels.REPAIR_SLOT, fieldSelector=_RUNNING)
        asking_and_running = tuple(map(_turn, running))
        hours = ",".join((ASKING, *(_hour(clock.now() + timedelta(hours=off)) for off in _HOURS)))
        recent = self._kube.metadata(paths.incidents(), labelSelector=f"{labels.REPAIR_SLOT} in ({hours})")
        return RepairSlots(
            own_uid=mine, own_version=version, running=asking_and_running, recent=tuple(map(_turn, recent))
        )

    @contextmanager
    def turn(self, order: RepairOrder, case: GuardCase) -> Iterator[None]:
        """Within it the repair may write. A repair that is not made after all gives its turn back.

        Raises:
            Held: not now: the budgets are full, or the incident does not stand where it should.
            ChangedSince: a budget is spent for longer, or the incident is gone.
            Unavailable: nobody answers.
        """
        mine = self._fitting(order, case)  # who has to wait anyway need not ask
        if order.action_id not in _taken(mine):  # else by an earlier try of the same order
            with self._gate:
                self._take(order, case, mine)
        try:
            yield
        except Permanent:
            self._give_back(order)
            raise

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place among the few repairs that look, ask and write at once: hundreds of them would only slow each other.

        Raises:
            Unavailable: there is none now.
        """
        if not self._places.acquire(blocking=False):
            raise Unavailable("other repairs of this process are being made", again=_AGAIN)
        try:
            yield
        finally:
            self._places.release()

    def _fitting(self, order: RepairOrder, case: GuardCase) -> Object:
        """The incident, if it has its turn already, or there is room for it as it looks."""
        mine = self._announced(order)
        if order.action_id not in _taken(mine):
            _must_fit(case, self.glance(mine["metadata"]["uid"]))
        return mine

    def _take(self, order: RepairOrder, case: GuardCase, mine: Object) -> None:
        for _ in range(_TRIES):
            with suppress(Conflict):  # somebody wrote to the incident: its place is a later one now
                self._ask_and_take(order, case, mine)
                return
            mine = self._fitting(order, case)
            if order.action_id in _taken(mine):
                return
        raise Conflict(f"incident {order.incident.name} changes faster than its repair can take its turn")

    def _ask_and_take(self, order: RepairOrder, case: GuardCase, mine: Object) -> None:
        asking = self._mark(mine, _taken(mine), order, ASKING)
        try:
            _must_fit(case, self.look(asking["metadata"]["uid"], int(asking["metadata"]["resourceVersion"])))
        except Permanent:
            self._give_back(order)
            raise
        now = clock.now()
        taken = {**_taken(asking), order.action_id: now.isoformat()}
        self._mark(asking, taken, order, _hour(now))

    def _announced(self, order: RepairOrder) -> Object:
        """The incident, which must say that this very repair is being made: that is how others know of it.

        One that says what came of it has given it up: then a worker that was slow comes too late with it.
        """
        try:
            mine = self._kube.get(_path(order))
        except NotFound as error:
            raise ChangedSince(f"incident {order.incident.name} was deleted") from error
        if mine["metadata"]["uid"] != order.incident.uid:
            raise ChangedSince(f"incident {order.incident.name} was deleted and made anew")
        status = mine.get("status") or {}
        latest = (status.get("attempts") or [{}])[-1]
        over = latest.get("actionId") != order.action_id or latest.get("verdict")
        if status.get("phase") != Phase.REPAIRING or over:
            raise Held(f"incident {order.incident.name} does not tell yet that this repair is being made")
        if (mine.get("spec") or {}).get("suspend"):
            raise Held(f"incident {order.incident.name} is suspended")
        return mine

    def _give_back(self, order: RepairOrder) -> None:
        """Stop asking, or return the turn of a repair that was not made. A turn that stays counts as one too many."""
        with suppress(PrunellaError):
            mine = self._kube.get(_path(order))
            taken = {key: at for key, at in _taken(mine).items() if key != order.action_id}
            last = max(map(datetime.fromisoformat, taken.values()), default=None)  # `_taken` has read them
            self._mark(mine, taken, order, _hour(last) if last else None)

    def _mark(self, mine: Object, taken: dict[str, str], order: RepairOrder, label: str | None) -> Object:
        """Write our marks if nobody wrote to the incident since it was read.

        Raises:
            Conflict: somebody did.
        """
        note = json.dumps({"target": str(order.action.target), "taken": taken})
        meta = {"resourceVersion": mine["metadata"]["resourceVersion"], "uid": mine["metadata"]["uid"]}
        marks = {"labels": {labels.REPAIR_SLOT: label}, "annotations": {labels.REPAIR_SLOTS: note if label else None}}
        return self._kube.merge_patch(_path(order), {"metadata": {**meta, **marks}})


def _must_fit(case: GuardCase, turns: RepairSlots) -> None:
    must_pass(IN_SLOT, case.model_copy(update={"slots": turns, "now": clock.now()}))


def _path(order: RepairOrder) -> str:
    return paths.incidents(order.incident.namespace, order.incident.name)


def _hour(moment: datetime) -> str:
    return moment.strftime(_HOUR)


def _note(raw: Object) -> Object:
    """What an incident notes of its turns. Nonsense, by whoever may patch it, must stop nobody else."""
    try:
        note = json.loads((raw["metadata"].get("annotations") or {}).get(labels.REPAIR_SLOTS) or "{}")
    except (ValueError, RecursionError):
        return {}
    return note if isinstance(note, dict) else {}


def _taken(raw: Object) -> dict[str, str]:
    """When it has had its turns, by action id."""
    taken = _note(raw).get("taken")
    return {key: at for key, at in taken.items() if parse_annotation_time(at)} if isinstance(taken, dict) else {}


def _turn(raw: Object) -> RepairSlot:
    meta = raw["metadata"]
    return RepairSlot(
        incident=meta["uid"],
        namespace=meta["namespace"],
        name=meta["name"],
        workload=str(_note(raw).get("target", "")),
        version=int(meta["resourceVersion"]),
        requested=(meta.get("labels") or {}).get(labels.REPAIR_SLOT) == ASKING,
        acquired_at=tuple(map(datetime.fromisoformat, _taken(raw).values())),
    )
