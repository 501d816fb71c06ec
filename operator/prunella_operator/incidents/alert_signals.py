"""Signal the alerts of an Incident when a repair begins or ends, and when it is closed.

Without it each alert would ask for the state of its incident every few seconds. A signal that is lost, because Temporal
is unavailable or the operator restarts, costs a minute or more: the alerts also ask by themselves.
"""

from collections.abc import Mapping
from contextlib import suppress
from enum import StrEnum

import structlog
from temporalio.client import Client

from prunella_operator.temporal import rpc
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import alert_workflow_id
from prunella_workflows.model import labels
from prunella_workflows.model.errors import NotFound
from prunella_workflows.model.incident_status import Phase

_log = structlog.get_logger("prunella.alerts")

_TIMEOUT_SECONDS = 5.0


class Progress(StrEnum):
    """The difference between phases that an alert acts on."""

    OPEN = "open"
    ACTING = "acting"
    CLOSED = "closed"

    @classmethod
    def of(cls, phase: Phase) -> "Progress":
        """The progress of an incident in this phase."""
        if phase.closed:
            return cls.CLOSED
        return cls.ACTING if phase.acting else cls.OPEN


class AlertSignals:
    """Remembers the progress of the open incidents that have alerts. Belongs to one event loop."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._progress: dict[str, Progress] = {}

    async def incident_changed(self, uid: str, phase: Phase, annotations: Mapping[str, str]) -> None:
        """Signal each alert that the annotations name, if the incident has made progress since the last call."""
        alerts = [key.removeprefix(labels.ALERT_PREFIX) for key in annotations if key.startswith(labels.ALERT_PREFIX)]
        if alerts and self._advance(uid, Progress.of(phase)):
            try:
                for fingerprint in alerts:
                    await self._signal(fingerprint)
            except rpc.TemporalUnavailable as error:
                _log.info("alerts were not signalled; they ask for their incident later", reason=str(error))

    def forget(self, uid: str) -> None:
        """Forget a deleted incident."""
        self._progress.pop(uid, None)

    def _advance(self, uid: str, now: Progress) -> bool:
        """Remember the progress. False if an open incident stays as it was, and for one that was closed already."""
        before = self._progress.pop(uid, None)
        if now is Progress.CLOSED:
            return before is not None
        self._progress[uid] = now
        return now is not (before or Progress.OPEN)

    async def _signal(self, fingerprint: str) -> None:
        handle = self._client.get_workflow_handle(alert_workflow_id(fingerprint))
        with suppress(NotFound):  # its handling has ended
            await rpc.call(handle.signal(AlertHandling.incident_changed), _TIMEOUT_SECONDS)
