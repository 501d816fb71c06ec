"""Dispatch alerts to their workflows. Used by the webhook and by the worker.

A few alerts are signalled one by one, which is the shortest way to a repair. Many are batched into one write (see
`AlertIntake`), and the worker distributes them. Alerts that arrive during a write form the next batch: no request waits
for more than two writes. Alertmanager repeats whole groups: what was stored in the last minute is not written again.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable, Iterator
from datetime import datetime

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from prunella_operator import clock
from prunella_operator.temporal import rpc
from prunella_workflows.alerts.batch_workflow import AlertIntake
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import AlertBatch, AlertRequest, alert_workflow_id
from prunella_workflows.model.alert import Alert, AlertStatus

MAX_SIGNALLED = 8  # alerts of one write that are signalled one by one
DEDUPLICATION_WINDOW_SECONDS = 60.0  # far below the interval after which a repeated notification could mean anything
_MAX_REMEMBERED = 10_000  # alerts
_WRITE_TIMEOUT_SECONDS = 8.0
_MAX_BATCH_BYTES = 256 * 1024  # Temporal warns of larger payloads, and refuses those of 2 MiB
_MAX_SUMMARY = 100  # characters

DeduplicationKey = tuple[str, AlertStatus, datetime, datetime | None]
"""Identifies an alert, and one of its firings or ends."""


class AlertDispatcher:
    """Dispatches alerts to Temporal. Belongs to one event loop."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue
        self._waiting: list[tuple[tuple[Alert, ...], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._stored: dict[str, tuple[DeduplicationKey, float]] = {}

    async def dispatch(self, alerts: tuple[Alert, ...]) -> None:
        """Return when Temporal has all of them. Raises TemporalUnavailable: send all again; repeats are harmless."""
        fresh = tuple(alert for alert in alerts if not self._is_stored(alert))
        if not fresh:
            return
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((fresh, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        await stored

    async def _write_all(self) -> None:
        """Write until no alert waits."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            alerts = deduplicate(alert for part, _ in waiting for alert in part)
            try:
                await self._write(alerts)
            except Exception as error:  # noqa: BLE001 - whatever it is, the waiting requests must get it
                _complete(waiting, error)
            else:
                self._remember(alerts)
                _complete(waiting, None)

    def _is_stored(self, alert: Alert) -> bool:
        """Check whether exactly this was stored last for the alert, within the deduplication window."""
        key, at = self._stored.get(alert.fingerprint, (None, 0.0))
        return key == _key(alert) and clock.monotonic() - at < DEDUPLICATION_WINDOW_SECONDS

    def _remember(self, alerts: Iterable[Alert]) -> None:
        now = clock.monotonic()
        self._stored |= {alert.fingerprint: (_key(alert), now) for alert in alerts}
        if len(self._stored) > _MAX_REMEMBERED:
            oldest = now - DEDUPLICATION_WINDOW_SECONDS
            self._stored = {name: (key, at) for name, (key, at) in self._stored.items() if at > oldest}

    async def _write(self, alerts: tuple[Alert, ...]) -> None:
        if len(alerts) <= MAX_SIGNALLED:
            await gather_all(map(self.signal, alerts))
        else:
            await gather_all(map(self._start_batch, batches(alerts)))

    async def signal(self, alert: Alert) -> None:
        """Signal an alert's workflow, and start it if it does not run."""
        await rpc.call(
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
            _WRITE_TIMEOUT_SECONDS,
        )

    async def _start_batch(self, batch: AlertBatch) -> None:
        digest = hashlib.sha256(batch.model_dump_json().encode()).hexdigest()
        await rpc.call(
            self._client.start_workflow(
                AlertIntake.run,
                batch,
                id=f"alerts-{digest[:32]}",
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"{len(batch.alerts)} alerts",
            ),
            _WRITE_TIMEOUT_SECONDS,
        )


def _key(alert: Alert) -> DeduplicationKey:
    return alert.fingerprint, alert.status, alert.starts_at, alert.ends_at


def deduplicate(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Keep each firing and each end once."""
    return tuple({_key(alert): alert for alert in alerts}.values())


def batches(alerts: Iterable[Alert]) -> Iterator[AlertBatch]:
    """Split the alerts into as few batches as Temporal accepts."""
    batch: list[Alert] = []
    size = 0
    for alert in alerts:
        length = len(alert.model_dump_json().encode())
        if batch and size + length > _MAX_BATCH_BYTES:
            yield AlertBatch(alerts=tuple(batch))
            batch, size = [], 0
        batch.append(alert)
        size += length
    if batch:
        yield AlertBatch(alerts=tuple(batch))


def _complete(waiting: list[tuple[tuple[Alert, ...], asyncio.Future[None]]], error: Exception | None) -> None:
    """Complete all waiting requests but those that were cancelled."""
    for stored in (stored for _, stored in waiting if not stored.done()):
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)


async def gather_all(writes: Iterable[Awaitable[None]]) -> None:
    """Wait for all of them, then raise the error of the first one that failed."""
    for result in await asyncio.gather(*writes, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result


def _summary(alert: Alert) -> str:
    """One line for Temporal's UI, of printable characters only."""
    text = " ".join(part for part in (alert.name, alert.labels.get("namespace", "")) if part)
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_MAX_SUMMARY])
