"""Report: the single writer of an Incident's status, and of the Events about it."""

import hashlib
from contextlib import suppress

import structlog

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.track_records import TrackRecords
from prunella_workflows.contracts.healing import EventNote, ReportRequest
from prunella_workflows.decisions.autonomy.trials import trials_of_repairs
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import IncidentStatus
from prunella_workflows.model.workload import WorkloadRef

_INCIDENT = {"apiVersion": labels.API_VERSION, "kind": "Incident"}
_MAX_ATTEMPTS = 5
_WRITES = frozenset({"Repaired", "Undone"})
"""Reasons of the Events that are posted about the workload too: what was written to it."""
_log = structlog.get_logger("prunella.escalation")


class Reporter:
    """Writes status by server-side apply under our own field manager; posts each Event once."""

    def __init__(self, kube: SyncClient) -> None:
        self._kube = kube

    def report(self, request: ReportRequest) -> None:
        """Write the status. Raises NotFound if the incident was deleted or recreated: nothing is left to report."""
        for _ in range(_MAX_ATTEMPTS):
            with suppress(Conflict):  # someone wrote to it between our read and our write
                self._write(request.incident, request.status)
                break
        else:
            raise Conflict(f"incident {request.incident.name} changes faster than it can be written")
        for note in request.events:
            self._post(request.incident, _target(request), note)

    def _write(self, ref: IncidentRef, status: IncidentStatus) -> None:
        path = paths.incidents(ref.namespace, ref.name)
        live = self._kube.get(path)
        if live["metadata"]["uid"] != ref.uid:
            raise NotFound(f"incident {ref.name} was deleted; one with the same name but a different UID exists")
        self._kube.apply(f"{path}/status", self._body(ref, status, live))

    def _body(self, ref: IncidentRef, status: IncidentStatus, live: Object) -> Object:
        generation = live["metadata"].get("generation")
        conditions = tuple(
            condition.model_copy(update={"observed_generation": generation}) for condition in status.conditions
        )
        complete = status.model_copy(update={"observed_generation": generation, "conditions": conditions})
        # The version, because the API server ignores a uid on the status subresource.
        version = live["metadata"]["resourceVersion"]
        meta = {"name": ref.name, "namespace": ref.namespace, "resourceVersion": version}
        return {**_INCIDENT, "metadata": meta, "status": complete.to_object()}

    def _post(self, ref: IncidentRef, target: Object, note: EventNote) -> None:
        """Events are a convenience: a failure to post one does not stop the healing, as the status has everything."""
        incident = {**_INCIDENT, "namespace": ref.namespace, "name": ref.name, "uid": ref.uid}
        with suppress(AlreadyExists, Forbidden, NotFound):
            self._kube.create(paths.events(ref.namespace), _event(ref, note, incident, target))
        with suppress(AlreadyExists, Forbidden, NotFound):
            if note.reason in _WRITES:
                event = _event(ref, _for_workload(ref, note), self._with_uid(target), incident)
                self._kube.create(paths.events(ref.namespace), event)

    def _with_uid(self, target: Object) -> Object:
        """The reference with the uid, by which `kubectl describe` finds the Events of an object."""
        live = self._kube.get(f"{paths.collection(target['kind'], target['namespace'])}/{target['name']}")
        return {**target, "apiVersion": live["apiVersion"], "uid": live["metadata"]["uid"]}


def record_trials(records: TrackRecords, request: ReportRequest) -> None:
    """Count what the repairs of an incident that ends have proven, where autonomy must be earned.

    Before the status is written: an incident whose end can be seen, and which can be deleted, is counted.
    """
    note, (kind, _, name) = request.status.autonomy, request.status.target.partition("/")
    if note is None:
        return
    ref = WorkloadRef(kind=kind, namespace=request.incident.namespace, name=name, uid=note.workload_uid)
    records.add(ref, trials_of_repairs(request.incident.name, request.status, clock.now()))


def log_escalation(request: ReportRequest) -> None:
    """Log that a person is needed, for operators without a notification channel."""
    status = request.status
    _log.error(
        "a person is needed",
        namespace=request.incident.namespace,
        incident=request.incident.name,
        target=status.target,
        cause=status.root_cause,
        reason=status.reason,
        message=status.message,
        tried=[
            f"{attempt.action}: {attempt.verdict}" + (" (undone)" if attempt.undone else "")
            for attempt in status.attempts
        ],
        next_step=status.next_step,
    )


def _target(request: ReportRequest) -> Object:
    """The reference to the workload; empty while it is not known."""
    kind, _, name = request.status.target.partition("/")
    return {"kind": kind, "namespace": request.incident.namespace, "name": name} if name else {}


def _for_workload(ref: IncidentRef, note: EventNote) -> EventNote:
    return note.model_copy(update={"key": f"{note.key}/workload", "note": f"Incident {ref.name}: {note.note}"})


def _event(ref: IncidentRef, note: EventNote, regarding: Object, related: Object) -> Object:
    digest = hashlib.sha256(f"{ref.uid}/{note.key}/{note.reason}".encode()).hexdigest()[:12]
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{ref.name[:200].rstrip('.-')}.{digest}", "namespace": ref.namespace},
        "eventTime": clock.now().isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "reportingController": labels.REPORTER,
        "reportingInstance": "prunella",
        "type": note.type,
        "reason": note.reason,
        "action": note.action,
        "note": note.note[:1024],
        "regarding": regarding,
        **({"related": related} if related else {}),
    }
