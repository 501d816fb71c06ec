"""Alerts to their workflows: stored when Temporal has the signal, and not before."""

import asyncio

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy

from prunella_operator.asking import ask
from prunella_workflows.alert_contract import AlertRequest, alert_workflow_id
from prunella_workflows.alerting import AlertHandling
from prunella_workflows.model.alert import Alert, AlertStatus

_WITHIN = 8.0  # seconds; Alertmanager gives up after 10 at the earliest
_AT_ONCE = 32
_SUMMARY = 100


class AlertStore:
    """Hands alerts to Temporal. Belongs to one event loop."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def store(self, alerts: tuple[Alert, ...]) -> None:
        """Keep them all, each in the workflow of its fingerprint. Storing again what was stored changes nothing.

        Raises:
            TemporalUnavailable: some may not be stored; send all of them again.
        """
        answers = await asyncio.gather(*map(self._store, alerts), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer

    async def _store(self, alert: Alert) -> None:
        """Signal the workflow, which is started if it does not run."""
        async with self._slots:
            await ask(
                self._client.start_workflow(
                    AlertHandling.run,
                    AlertRequest(fingerprint=alert.fingerprint),
                    id=alert_workflow_id(alert.fingerprint),
                    task_queue=self._task_queue,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                    start_signal="fire" if alert.status is AlertStatus.FIRING else "resolve",
                    start_signal_args=[alert],
                    static_summary=_summary(alert),
                ),
                _WITHIN,
            )


def _summary(alert: Alert) -> str:
    """A line for Temporal's pages, of printable characters only."""
    text = " ".join(part for part in (alert.name, alert.labels.get("namespace", "")) if part)
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_SUMMARY])
