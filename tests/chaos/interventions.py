"""Interventions by people: they approve, reject, suspend, cancel, delete and fix, mostly during an outage."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from chaos.workloads import ChaosWorkload, retry_until_done
from support.api import Object, until
from support.cases.run import CLOSED

from prunella_operator import clock
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Conflict

INTERVENTION_POINTS = {
    "approves": "awaiting approval",
    "rejects": "awaiting approval",
    "suspends": "awaiting approval",
    "cancels before": "awaiting approval",
    "deletes before": "awaiting approval",
    "cancels": "verifying",
    "deletes": "verifying",
    "fixes": "verifying",
    "fixes before the write": "before the write",
    "fixes before the undo": "before the undo",
}
"""The point at which each kind of person intervenes."""
BLOCKING = frozenset({"before the write", "before the undo"})
"""Points at which the call waits for the person."""
_OUTAGE_TIMEOUT_SECONDS = 8.0
"""The seconds that a person waits for something to be down; usually something is."""
_SUSPENSION_SECONDS = 8.0
_SUSPENDED_TIMEOUT_SECONDS = 600.0
_INCIDENT_TIMEOUT_SECONDS = 600.0


@dataclass
class Intervention:
    """One action of one person on the incident of one workload."""

    workload: ChaosWorkload
    down: Callable[[], frozenset[str]]
    """Return the targets that are down now."""
    during: frozenset[str] = frozenset()
    """The targets that were down when the person acted."""
    error: str = ""
    _thread: threading.Thread | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_pending(self) -> bool:
        return self._thread is None

    @property
    def is_done(self) -> bool:
        return self._thread is not None and not self._thread.is_alive()

    def arrive(self, point: str) -> None:
        """Act, in a thread, when the incident has come to this point; a call that is held waits for that."""
        with self._lock:
            if not self.is_pending or point != INTERVENTION_POINTS[self.workload.intervention]:
                return
            self._thread = threading.Thread(target=self._act, args=(point in BLOCKING,), daemon=True)
            self._thread.start()
        if point in BLOCKING:
            self._thread.join(_INCIDENT_TIMEOUT_SECONDS)

    def _act(self, blocking: bool) -> None:
        try:
            if not blocking:
                with suppress(AssertionError):  # a quiet moment is fine as well
                    until(self.down, _OUTAGE_TIMEOUT_SECONDS, "something is down", every=0.1)
            self.during = self.down()
            self._actions[self.workload.intervention]()
        except Exception as error:  # noqa: BLE001 - reported at the end of the round
            self.error = f"{self.workload.intervention}: {error!r}"

    @property
    def _actions(self) -> dict[str, Callable[[], None]]:
        return {
            "approves": lambda: self._approve_or_reject("Approved"),
            "rejects": lambda: self._approve_or_reject("Rejected"),
            "suspends": self._suspend,
            "cancels": self._cancel,
            "cancels before": self._cancel,
            "deletes": self._delete,
            "deletes before": self._delete_and_approve,
            "fixes": self.workload.fix_by_release,
            "fixes before the write": self.workload.fix_by_release,
            "fixes before the undo": self.workload.fix_by_release,
        }

    def _incidents(self) -> Iterator[Object]:
        gone = {incident["metadata"]["uid"] for incident in self.workload.deleted}
        return (incident for incident in self.workload.incidents() if incident["metadata"]["uid"] not in gone)

    def _incident(self) -> Object:
        return until(
            lambda: next(self._incidents(), None), _INCIDENT_TIMEOUT_SECONDS, f"{self.workload.name} has an incident"
        )

    def _patch_incident(self, incident: Object, body: Object) -> None:
        path = self.workload.incident_path(incident)
        retry_until_done(
            lambda: self.workload.api.patch(path, body), f"{self.workload.name}: a person's wish is stored"
        )

    def _approve_or_reject(self, decision: str) -> None:
        self._patch_incident(
            self._incident(), {"spec": {"approval": {"decision": decision, "by": "chaos", "reason": "a test"}}}
        )

    def _cancel(self) -> None:
        self._patch_incident(self._incident(), {"metadata": {"annotations": {labels.CANCEL: "true"}}})

    def _suspend(self) -> None:
        """Suspend before approving: nothing may happen until it is resumed."""
        incident = self._incident()
        self._patch_incident(incident, {"spec": {"suspend": True}})
        self._approve_or_reject("Approved")
        try:
            until(self._is_suspended, _SUSPENDED_TIMEOUT_SECONDS, f"{self.workload.name} says that it is suspended")
            since = clock.now()
            time.sleep(_SUSPENSION_SECONDS)
            self.workload.suspended_between = since.isoformat(), clock.now().isoformat()
        finally:
            self._patch_incident(incident, {"spec": {"suspend": False}})

    def _is_suspended(self) -> bool:
        return any((incident.get("status") or {}).get("reason") == "Suspended" for incident in self._incidents())

    def _delete(self) -> None:
        """Delete the incident; the fault persists and gets another one."""
        incident = self._incident()
        self.workload.deleted.append(incident)
        self.workload.use_short_window()
        path, uid = self.workload.incident_path(incident), incident["metadata"]["uid"]

        def delete() -> None:
            with suppress(Conflict):  # another one already has its name
                self.workload.api.delete(path, uid=uid)

        retry_until_done(delete, f"{self.workload.name}: the incident is deleted")

    def _delete_and_approve(self) -> None:
        """Approve the repair that the second incident asks for."""
        self._delete()

        def next_request() -> Object | None:
            phases = {"AwaitingApproval", *CLOSED}
            return next(
                (incident for incident in self._incidents() if (incident.get("status") or {}).get("phase") in phases),
                None,
            )

        until(next_request, _INCIDENT_TIMEOUT_SECONDS, f"{self.workload.name} has another incident, which asks")
        self._approve_or_reject("Approved")
