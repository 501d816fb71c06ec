"""The incident of an alert: open it or join the one that covers it, look at it, take it back, note the alert on it.

Opening follows the intake's rules under the intake's names, so that an alert and a pod signal of the same fault make
one incident, whoever comes first.
"""

from datetime import datetime

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.incidents.deduplication import (
    earlier_selectors,
    fault_fingerprint,
    find_covering_incident,
    find_resolved_since,
    new_incident,
    phase_of,
    targets_workload,
)
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.workloads import container_views, ignored, template_of
from prunella_workflows.contracts.alerts import AlertState, Followed, Opened, OpenRequest, Withdrawn, WithdrawRequest
from prunella_workflows.decisions.diagnosis.symptoms import symptoms
from prunella_workflows.model import labels
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import IncidentRef, IncidentSpec
from prunella_workflows.model.incident_status import Attempt, IncidentStatus, Phase
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef

_SOURCE = "alerts"
_NOTED = 20  # alerts on one incident
_DESCRIPTION = 1000
_STARTED = frozenset({Phase.REPAIRING, Phase.VERIFYING})


class AlertIncidents:
    """Between alerts and Incident objects."""

    def __init__(self, kube: SyncClient, gatherer: EvidenceCollector, protected: tuple[str, ...]) -> None:
        self._kube = kube
        self._gatherer = gatherer
        self._protected = protected

    def open(self, request: OpenRequest) -> Opened:
        """The incident that covers the alert, opened by it or not; none where nothing may be done."""
        target = request.enriched.target
        if target is None:
            return Opened(reason="NoWorkload: the workload that the alert names was not found")
        if target.namespace.startswith("kube-") or target.namespace in self._protected:
            return Opened(reason=f"Protected: namespace {target.namespace} is never touched")
        try:
            raw = self._gatherer.raw_workload(target)
        except NotFound as error:
            return Opened(reason=f"NotFound: {error}")
        namespace = self._kube.get(f"/api/v1/namespaces/{target.namespace}")
        if ignored(raw) or ignored(namespace):
            return Opened(reason=f"Ignored: {target} or its namespace asked to be left alone")
        return self._opened(request, target, raw, namespace)

    def _opened(self, request: OpenRequest, target: WorkloadRef, raw: Object, namespace: Object) -> Opened:
        policies = (*self._kube.list(paths.policies()), *self._kube.list(paths.policies(target.namespace)))
        fault, earlier = fault_fingerprint(target, raw, namespace, policies), self._earlier(target)
        covered = find_covering_incident(earlier, fault, None, clock.now()) or find_resolved_since(
            earlier, request.observed_at
        )
        if covered is not None:
            self._annotate(covered, request.alert, resolved=None)
            return _as_opened(covered, request.alert)
        body = new_incident(_signal(request, target, raw), target, fault, earlier)
        body["spec"]["description"] = _description(request.alert)
        body["metadata"]["annotations"] |= {
            labels.OPENED_BY_ALERT: request.alert.fingerprint,
            **_mark(request.alert, resolved=None),
        }
        path = paths.incidents(target.namespace)
        try:
            return _as_opened(self._kube.create(path, body), request.alert)
        except AlreadyExists:  # by the intake, or by an earlier attempt of ours
            return _as_opened(self._kube.get(f"{path}/{body['metadata']['name']}"), request.alert)

    def _earlier(self, target: WorkloadRef) -> list[Object]:
        """The workload's incidents: those that sources opened, and those that people opened to have it healed."""
        path = paths.incidents(target.namespace)
        ours, others = (list(self._kube.list(path, labelSelector=selector)) for selector in earlier_selectors(target))
        return [*ours, *(other for other in others if targets_workload(other, target))]

    def follow(self, ref: IncidentRef) -> Followed:
        """How it stands."""
        raw = self._live(ref)
        return _followed(raw) if raw is not None else Followed(gone=True)

    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        """Ask for its cancellation, if it is as it was when we looked: nothing changed, and no pod in trouble.

        Raises:
            Conflict: it moved meanwhile; look again.
        """
        ref = request.incident
        raw = self._live(ref)
        if raw is None:
            return Withdrawn(done=True, reason="it was deleted")
        if phase_of(raw).closed:
            return Withdrawn(done=False, reason="it is closed")
        if _followed(raw).acted:
            return Withdrawn(done=False, reason="it has changed the workload already")
        if trouble := self._trouble(ref, raw):
            return Withdrawn(done=False, reason=trouble)
        self._patch(raw, {labels.CANCEL: "true", labels.WITHDRAWN_BY_ALERT: request.alert.fingerprint})
        return Withdrawn(done=True)

    def note(self, state: AlertState, *, resolved: bool) -> None:
        """Write the alert on its incident, with its end if it has ended."""
        raw = self._live(state.incident) if state.incident else None
        if raw is not None and state.alert is not None:
            self._annotate(raw, state.alert, resolved=clock.now() if resolved else None)

    def _trouble(self, ref: IncidentRef, raw: Object) -> str:
        """Why the workload needs its incident although the alert is over; the pods may have joined it since."""
        try:
            target = self._gatherer.resolve(ref, IncidentSpec.model_validate(raw["spec"]))
            _, _, pods = self._gatherer.view(target)
        except NotFound:
            return ""
        found = symptoms(pods)
        return f"the pods are in trouble: {found[0]}" if found else ""

    def _annotate(self, raw: Object, alert: Alert, *, resolved: datetime | None) -> None:
        marks = raw["metadata"].get("annotations") or {}
        mark = _mark(alert, resolved=resolved)
        known = [key for key in marks if key.startswith(labels.ALERT_PREFIX)]
        if mark.items() <= marks.items() or (len(known) >= _NOTED and not mark.keys() & marks.keys()):
            return
        self._patch(raw, mark)

    def _patch(self, raw: Object, annotations: dict[str, str]) -> None:
        meta = raw["metadata"]
        seen = {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}
        path = paths.incidents(meta["namespace"], meta["name"])
        self._kube.merge_patch(path, {"metadata": {**seen, "annotations": annotations}})

    def _live(self, ref: IncidentRef) -> Object | None:
        """The incident, unless it was deleted; a namesake is not it."""
        try:
            raw = self._kube.get(paths.incidents(ref.namespace, ref.name))
        except NotFound:
            return None
        return raw if raw["metadata"]["uid"] == ref.uid else None


def _as_opened(raw: Object, alert: Alert) -> Opened:
    meta = raw["metadata"]
    return Opened(
        incident=IncidentRef(namespace=meta["namespace"], name=meta["name"], uid=meta["uid"]),
        opened=(meta.get("annotations") or {}).get(labels.OPENED_BY_ALERT) == alert.fingerprint,
        opened_at=datetime.fromisoformat(meta["creationTimestamp"]),
    )


def _followed(raw: Object) -> Followed:
    status = IncidentStatus.model_validate(raw.get("status") or {})
    return Followed(
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        next_step=status.next_step,
        root_cause=status.root_cause,
        tried=tuple(map(_tried, status.attempts)),
        acted=status.phase in _STARTED or any(attempt.written_at for attempt in status.attempts),
    )


def _signal(request: OpenRequest, target: WorkloadRef, raw: Object) -> Signal:
    """The alert as a signal. A container that the workload does not have belongs to whoever measured."""
    classified = request.enriched.classified
    known = {view.name for view in container_views(template_of(raw))}
    return Signal(
        source=_SOURCE,
        type=classified.type,
        severity=classified.severity,
        namespace=target.namespace,
        kind=target.kind,
        name=target.name,
        uid=target.uid,
        container=classified.container if classified.container in known else "",
        reason=request.alert.name,
        observed_at=request.observed_at,
        fault_at=request.alert.starts_at,
    )


def _description(alert: Alert) -> str:
    said = alert.annotations.get("summary") or alert.annotations.get("description") or ""
    return redact(f"Alert {alert.name}: {said}" if said else f"Alert {alert.name}")[:_DESCRIPTION]


def _mark(alert: Alert, *, resolved: datetime | None) -> dict[str, str]:
    """The annotation that names an alert, and says since when it fires or that it ended."""
    end = f", resolved {resolved:%Y-%m-%dT%H:%M:%SZ}" if resolved else ""
    note = f"{alert.name[:200]} since {alert.starts_at:%Y-%m-%dT%H:%M:%SZ}{end}"
    return {f"{labels.ALERT_PREFIX}{alert.fingerprint}": note}


def _tried(attempt: Attempt) -> str:
    return f"{attempt.action}: {attempt.verdict or 'under way'}" + (" (undone)" if attempt.undone else "")
