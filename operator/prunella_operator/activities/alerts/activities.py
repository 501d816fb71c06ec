"""The activities of the AlertHandling workflow."""

import structlog
from temporalio import activity

from prunella_operator.activities.alerts.alertmanager import Alertmanager
from prunella_operator.activities.alerts.enrichment import AlertEnricher
from prunella_operator.activities.alerts.incidents import AlertIncidents
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.incidents.opener import IncidentOpener
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.observability import metrics
from prunella_workflows.contracts import alerts as contract
from prunella_workflows.model.alert import Enriched
from prunella_workflows.model.errors import InvalidInputError
from prunella_workflows.temporal.failures import translate_errors

_log = structlog.get_logger("prunella.alerts")


class AlertActivitiesImpl(contract.AlertActivities):
    """The contract's activities. Synchronous but for `open`, which belongs to the worker's event loop as its client."""

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
    def enrich(self, request: contract.EnrichRequest) -> Enriched:
        """See the contract."""
        with translate_errors():
            return self._enricher.enrich(request.alert, activity.heartbeat)

    @activity.defn(name="openIncident")
    async def open(self, request: contract.OpenRequest) -> contract.Opened:
        """See the contract."""
        with translate_errors():
            return await self._incidents.open(request)

    @activity.defn(name="followIncident")
    def follow(self, request: contract.FollowRequest) -> contract.Followed:
        """See the contract."""
        with translate_errors():
            return self._incidents.follow(request.incident)

    @activity.defn(name="withdrawIncident")
    def withdraw(self, request: contract.WithdrawRequest) -> contract.Withdrawn:
        """See the contract."""
        with translate_errors():
            return self._incidents.withdraw(request)

    @activity.defn(name="silenceAlert")
    def silence(self, request: contract.SilenceRequest) -> contract.Silenced:
        """See the contract."""
        with translate_errors():
            found = self._required().silence(request.alert, request.until, request.comment, request.silence_id)
            return contract.Silenced(silence_id=found)

    @activity.defn(name="unsilenceAlert")
    def unsilence(self, request: contract.UnsilenceRequest) -> None:
        """See the contract."""
        with translate_errors():
            self._required().unsilence(request.silence_id)

    @activity.defn(name="isAlertFiring")
    def is_firing(self, request: contract.EnrichRequest) -> contract.StillFiring:
        """See the contract."""
        with translate_errors():
            return contract.StillFiring(firing=self._required().is_firing(request.alert))

    @activity.defn(name="recordAlert")
    def record(self, request: contract.RecordRequest) -> None:
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
            incident=f"{ref.namespace}/{ref.name}" if (ref := state.incident) else "",
            reason=state.reason,
            repeats=state.book.repeats,
        )

    def _required(self) -> Alertmanager:
        if self._alertmanager is None:
            raise InvalidInputError("no Alertmanager is configured (setting alertmanager_url)")
        return self._alertmanager
