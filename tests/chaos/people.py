"""People who come in between: they answer, suspend, cancel, delete and mend, and most of them during an outage."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from chaos.patients import ChaosPatient, surely
from support.api import Object, until
from support.stage import CLOSED

from prunella_operator import clock
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Conflict

POINT = {
    "approves": "awaiting approval",
    "rejects": "awaiting approval",
    "suspends": "awaiting approval",
    "cancels before": "awaiting approval",
    "deletes before": "awaiting approval",
    "cancels": "verifying",
    "deletes": "verifying",
    "mends": "verifying",
    "mends before the write": "before the write",
    "mends before the undo": "before the undo",
}
"""Where each kind of person comes in."""
HELD = frozenset({"before the write", "before the undo"})
"""Points at which the call waits for the person."""
_OUTAGE_WITHIN = 8.0
"""Seconds a person waits for something to be down; most of the time something is."""
_SUSPENDED_FOR = 8.0
_HEARD_WITHIN = 600.0
_SEEN_WITHIN = 600.0


@dataclass
class Person:
    """What one person does to one patient's incident, once."""

    patient: ChaosPatient
    down: Callable[[], frozenset[str]]
    """What is down just now."""
    during: frozenset[str] = frozenset()
    """What was down when the person acted."""
    error: str = ""
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_due(self) -> bool:
        return self._thread is None

    @property
    def is_done(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def come(self, point: str) -> None:
        """The incident has come to this point: act there, in a thread; a call that is held waits for that."""
        with self._lock:
            if not self.is_due or point != POINT[self.patient.person]:
                return
            self._thread = threading.Thread(target=self._act, args=(point in HELD,), daemon=True)
            self._thread.start()
        if point in HELD:
            self._thread.join(_SEEN_WITHIN)

    def _act(self, held: bool) -> None:
        try:
            if not held:
                with suppress(AssertionError):  # a quiet moment is fine as well
                    until(self.down, _OUTAGE_WITHIN, "something is down", every=0.1)
            self.during = self.down()
            self._acts[self.patient.person]()
        except Exception as error:  # noqa: BLE001 - told at the end of the round
            self.error = f"{self.patient.person}: {error!r}"

    @property
    def _acts(self) -> dict[str, Callable[[], None]]:
        return {
            "approves": lambda: self._answer("Approved"),
            "rejects": lambda: self._answer("Rejected"),
            "suspends": self._suspend,
            "cancels": self._cancel,
            "cancels before": self._cancel,
            "deletes": self._delete,
            "deletes before": self._delete_and_approve,
            "mends": self.patient.release_again,
            "mends before the write": self.patient.release_again,
            "mends before the undo": self.patient.release_again,
        }

    def _incidents(self) -> Iterator[Object]:
        gone = {one["metadata"]["uid"] for one in self.patient.deleted}
        return (incident for incident in self.patient.incidents() if incident["metadata"]["uid"] not in gone)

    def _incident(self) -> Object:
        return until(lambda: next(self._incidents(), None), _SEEN_WITHIN, f"{self.patient.name} has an incident")

    def _wish(self, incident: Object, body: Object) -> None:
        path = self.patient.incident_path(incident)
        surely(lambda: self.patient.api.patch(path, body), f"{self.patient.name}: a person's wish is stored")

    def _answer(self, decision: str) -> None:
        self._wish(self._incident(), {"spec": {"approval": {"decision": decision, "by": "chaos", "reason": "a test"}}})

    def _cancel(self) -> None:
        self._wish(self._incident(), {"metadata": {"annotations": {labels.CANCEL: "true"}}})

    def _suspend(self) -> None:
        """Suspended before it is approved, it must stand still until it is let go on."""
        incident = self._incident()
        self._wish(incident, {"spec": {"suspend": True}})
        self._answer("Approved")
        try:
            until(self._stands_still, _HEARD_WITHIN, f"{self.patient.name} says that it is suspended")
            since = clock.now()
            time.sleep(_SUSPENDED_FOR)
            self.patient.still = since.isoformat(), clock.now().isoformat()
        finally:
            self._wish(incident, {"spec": {"suspend": False}})

    def _stands_still(self) -> bool:
        return any((incident.get("status") or {}).get("reason") == "Suspended" for incident in self._incidents())

    def _delete(self) -> None:
        """Nobody waits for that incident any more; the fault goes on, and gets another one."""
        incident = self._incident()
        self.patient.deleted.append(incident)
        self.patient.hurry()
        path, uid = self.patient.incident_path(incident), incident["metadata"]["uid"]

        def delete() -> None:
            with suppress(Conflict):  # another one bears its name already
                self.patient.api.delete(path, uid=uid)

        surely(delete, f"{self.patient.name}: the incident is deleted")

    def _delete_and_approve(self) -> None:
        """The repair that the second incident asks for is approved."""
        self._delete()

        def asked() -> Object | None:
            phases = {"AwaitingApproval", *CLOSED}
            return next(
                (incident for incident in self._incidents() if (incident.get("status") or {}).get("phase") in phases),
                None,
            )

        until(asked, _SEEN_WITHIN, f"{self.patient.name} has another incident, which asks")
        self._answer("Approved")
