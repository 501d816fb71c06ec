"""The activities of the AlertHandling workflow."""

import structlog
from temporalio import activity

from prunella_operator.activities.alerts.alertmanager import Alertmanager
from prunella_operator.activities.alerts.enrichment import AlertEnricher
from prunella_operator.activities.alerts.incidents import AlertIncidents
from prunella_operator.activities.errors import translate_errors
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.incidents.opener import IncidentOpener
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.observability import metrics
from prunella_workflows.contracts.alerts import (
    AlertActivities,
    EnrichRequest,
    Followed,
    FollowRequest,
    Opened,
    OpenRequest,
    RecordRequest,
    Silenced,
    SilenceRequest,
    StillFiring,
    UnsilenceRequest,
    Withdrawn,
    WithdrawRequest,
)
from prunella_workflows.model.alert import Enriched
from prunella_workflows.model.errors import InvalidInputError
from prunella_workflows.model.incident import IncidentRef

_log = structlog.get_logger("prunella.alerts")


class AlertActivitiesImpl(AlertActivities):
    """The contract's activities over a real cluster and, if configured, a real Alertmanager.

    Synchronous but for `open`, which belongs to the worker's event loop as its client does.
    """

    def __init__(
        self,
        kube: SyncClient,
        client: AsyncClient,
        collector: EvidenceCollector,
        protected: tuple[str, ...],
        alertmanager: Alertmanager | None,
    ) -> None:
        self._enricher = AlertEnricher(kube, collector, can_silence=alertmanager is not None)
        self._incidents = AlertIncidents(kube, IncidentOpener(client), collector, protected)
        self._alertmanager = alertmanager

    @activity.defn(name="enrichAlert")
    def enrich(self, request: EnrichRequest) -> Enriched:
        """See the contract."""
        with translate_errors():
            return self._enricher.enrich(request.alert, activity.heartbeat)

    @activity.defn(name="openIncident")
    async def open(self, request: OpenRequest) -> Opened:
        """See the contract."""
        with translate_errors():
            return await self._incidents.open(request)

    @activity.defn(name="followIncident")
    def follow(self, request: FollowRequest) -> Followed:
        """See the contract."""
        with translate_errors():
            return self._incidents.follow(request.incident)

    @activity.defn(name="withdrawIncident")
    def withdraw(self, request: WithdrawRequest) -> Withdrawn:
        """See the contract."""
        with translate_errors():
            return self._incidents.withdraw(request)

    @activity.defn(name="silenceAlert")
    def silence(self, request: SilenceRequest) -> Silenced:
        """See the contract."""
        with translate_errors():
            found = self._required()
            return Silenced(silence_id=found.silence(request.alert, request.until, request.comment, request.silence_id))

    @activity.defn(name="unsilenceAlert")
    def unsilence(self, request: UnsilenceRequest) -> None:
        """See the contract."""
        with translate_errors():
            self._required().unsilence(request.silence_id)

    @activity.defn(name="isAlertFiring")
    def is_firing(self, request: EnrichRequest) -> StillFiring:
        """See the contract."""
        with translate_errors():
            return StillFiring(firing=self._required().is_firing(request.alert))

    @activity.defn(name="recordAlert")
    def record(self, request: RecordRequest) -> None:
        """See the contract. The log names the alert, never its values."""
        state = request.state
        with translate_errors():
            self._incidents.record(state, resolved=request.resolved)
        if not request.resolved:
            metrics.ALERTS_HANDLED.labels(state.outcome.value).inc()
        _log.info(
            "alert resolved" if request.resolved else "alert handled",
            alert=state.name,
            fingerprint=state.fingerprint,
            outcome=state.outcome.value,
            incident=_name(state.incident),
            reason=state.reason,
            repeats=state.book.repeats,
        )

    def _required(self) -> Alertmanager:
        if self._alertmanager is None:
            raise InvalidInputError("no Alertmanager is configured (setting alertmanager_url)")
        return self._alertmanager


def _name(incident: IncidentRef | None) -> str:
    return f"{incident.namespace}/{incident.name}" if incident else ""
