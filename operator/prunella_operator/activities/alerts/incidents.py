"""The incident of an alert: open or join it, follow it, withdraw it, and annotate it with the alert."""

import asyncio
from collections.abc import Collection
from datetime import datetime
from functools import partial

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.incidents import deduplication
from prunella_operator.incidents.client import Incident, parse
from prunella_operator.incidents.deduplication import Earlier
from prunella_operator.incidents.opener import IncidentOpener, Outcome
from prunella_operator.incidents.view import IncidentView
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.kubernetes.views.templates import container_views, template_of
from prunella_workflows.contracts.alerts import AlertState, Followed, Opened, OpenRequest, Withdrawn, WithdrawRequest
from prunella_workflows.decisions.diagnosis.symptoms import find_symptoms
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.labels import (
    ALERT_PREFIX,
    ALERT_RESOLVED_AT,
    CANCEL,
    OPENED_BY_ALERT,
    WITHDRAWN_BY_ALERT,
)
from prunella_workflows.model.redaction import redact
from prunella_workflows.model.signal import Signal
from prunella_workflows.model.workload import WorkloadRef, is_protected_namespace

_SOURCE = "alerts"
_MAX_ALERTS = 20  # on one incident: as many as people can read
_MAX_ALERT_NAME = 200  # characters


class AlertIncidents:
    """Reads and writes the Incidents of alerts. Opening is asynchronous, as for every source."""

    def __init__(
        self, kube: SyncClient, opener: IncidentOpener, collector: EvidenceCollector, protected: tuple[str, ...]
    ) -> None:
        self._kube = kube
        self._opener = opener
        self._collector = collector
        self._protected = protected

    async def open(self, request: OpenRequest) -> Opened:
        """Open or join the incident that covers the alert; none where nothing may be done."""
        target, alert = request.enriched.target, request.alert
        if target is None:
            return Opened(reason="NoWorkload: the workload that the alert names was not found")
        if is_protected_namespace(target.namespace, self._protected):
            return Opened(reason=f"Protected: namespace {target.namespace} is never touched")
        try:
            subject = await self._opener.read_subject(target)
        except NotFound as error:
            return Opened(reason=f"NotFound: {error}")
        opening = await self._opener.open(
            _signal(request, target, subject.raw),
            subject,
            partial(_find_covering, request),
            description=_description(alert),
            annotations={OPENED_BY_ALERT: alert.fingerprint, **_alert_annotation(alert)},
        )
        if opening.incident is None:
            return Opened(reason=f"Ignored: {target} or its namespace asked to be left alone")
        if opening.outcome is Outcome.JOINED:
            await asyncio.to_thread(self._annotate, opening.incident.ref, alert)
        meta = opening.incident.metadata
        return Opened(
            incident=opening.incident.ref,
            opened=meta.annotations.opened_by_alert == alert.fingerprint,  # now, or by an earlier attempt of ours
            opened_at=meta.creation_timestamp,
        )

    def follow(self, ref: IncidentRef) -> Followed:
        """Read its state."""
        incident = self._read(ref)
        return _followed(incident) if incident is not None else Followed(gone=True)

    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        """Request its cancellation, if nothing was changed and no pod is unhealthy. Raises Conflict; then retry."""
        incident = self._read(request.incident)
        if incident is None:
            return Withdrawn(done=True, reason="it was deleted")
        if incident.phase.closed:
            return Withdrawn(done=False, reason="it is closed")
        if reason := self._need(request.incident, incident):
            self._annotate(request.incident, request.alert, resolved_at=clock.now())
            return Withdrawn(done=False, reason=reason)
        self._patch(incident, {CANCEL: "true", WITHDRAWN_BY_ALERT: request.alert.fingerprint})
        return Withdrawn(done=True)

    def record(self, state: AlertState, *, resolved: bool) -> None:
        """Annotate its incident with the alert, and with its end if it has ended."""
        if state.incident is not None and state.alert is not None:
            self._annotate(state.incident, state.alert, resolved_at=clock.now() if resolved else None)

    def _need(self, ref: IncidentRef, incident: Incident) -> str:
        """Find why the incident must go on although the alert ended."""
        return "it has changed the workload already" if _has_acted(incident) else self._find_symptom(ref, incident)

    def _find_symptom(self, ref: IncidentRef, incident: Incident) -> str:
        """Find why the workload needs its incident although the alert ended; faults of its pods may have joined it."""
        try:
            target = self._collector.resolve(ref, incident.spec)
            _, _, pods = self._collector.view(target)
        except NotFound:
            return ""
        found = find_symptoms(pods)
        return f"the pods are unhealthy: {found[0]}" if found else ""

    def _annotate(self, ref: IncidentRef, alert: Alert, resolved_at: datetime | None = None) -> None:
        incident = self._read(ref)
        if incident is None:
            return
        present, wanted = incident.metadata.annotations, _alert_annotation(alert, resolved_at)
        if resolved_at is not None and present.get(OPENED_BY_ALERT) == alert.fingerprint:
            wanted[ALERT_RESOLVED_AT] = resolved_at.isoformat()
        full = sum(key.startswith(ALERT_PREFIX) for key in present) >= _MAX_ALERTS
        if wanted.items() <= present.items() or (full and not wanted.keys() & present.keys()):
            return
        self._patch(incident, wanted)

    def _patch(self, incident: Incident, annotations: dict[str, str]) -> None:
        meta = incident.metadata
        body = {"uid": meta.uid, "resourceVersion": meta.resource_version, "annotations": annotations}
        self._kube.merge_patch(paths.incidents(meta.namespace, meta.name), {"metadata": body})

    def _read(self, ref: IncidentRef) -> Incident | None:
        """The incident; None if it was deleted, even if another one has its name now."""
        try:
            incident = parse(self._kube.get(paths.incidents(ref.namespace, ref.name)))
        except NotFound:
            return None
        return incident if incident.metadata.uid == ref.uid else None


def _find_covering(request: OpenRequest, faults: Collection[str], earlier: Earlier) -> IncidentView | None:
    """The incident that an alert joins. It may be handled minutes after its observation."""
    kind = request.enriched.classified.type
    covering = deduplication.find_covering_incident(earlier, faults, kind, clock.now())
    return covering or deduplication.find_resolved_since(earlier, request.observed_at)


def _has_acted(incident: Incident) -> bool:
    return incident.phase.acting or any(made.written_at and not made.incident for made in incident.status.attempts)


def _followed(incident: Incident) -> Followed:
    status = incident.status
    return Followed(
        phase=status.phase,
        reason=status.reason,
        message=status.message,
        next_step=status.next_step,
        root_cause=status.root_cause,
        tried=tuple(map(_format_attempt, status.attempts)),
        acted=_has_acted(incident),
    )


def _signal(request: OpenRequest, target: WorkloadRef, raw: Object) -> Signal:
    """The alert as a signal. A container that the workload does not have is the exporter's own."""
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
    text = alert.annotations.get("summary") or alert.annotations.get("description") or ""
    return redact(f"Alert {alert.name}: {text}" if text else f"Alert {alert.name}")[: deduplication.MAX_DESCRIPTION]


def _alert_annotation(alert: Alert, resolved_at: datetime | None = None) -> dict[str, str]:
    """The annotation that names an alert, with the time of its start and, if it has ended, of its end."""
    end = f", resolved {resolved_at:%Y-%m-%dT%H:%M:%SZ}" if resolved_at else ""
    text = f"{alert.name[:_MAX_ALERT_NAME]} since {alert.starts_at:%Y-%m-%dT%H:%M:%SZ}{end}"
    return {f"{ALERT_PREFIX}{alert.fingerprint}": text}


def _format_attempt(attempt: Attempt) -> str:
    return f"{attempt.action}: {attempt.verdict or 'in progress'}" + (" (undone)" if attempt.undone else "")
