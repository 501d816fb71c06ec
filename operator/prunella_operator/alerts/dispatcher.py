"""Alerts to their workflows: stored when Temporal has them, and not before. Used by the webhook and by the worker.

A few alerts are signalled one by one, which is the shortest way to a repair. Many are kept together by one write (see
`AlertIntake`) and handed on by the worker. What comes while a write is under way waits for the next one, all of it
together: so a storm costs as many writes as fit into its time, and nobody waits for more than two of them. What was
stored within the last minute is not written again: Alertmanager repeats all of a group when one alert of it changes.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Iterable, Iterator
from datetime import datetime

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy

from prunella_operator import clock
from prunella_operator.temporal.rpc import call
from prunella_workflows.alerts.batch_workflow import AlertIntake
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import AlertBatch, AlertRequest, alert_workflow_id
from prunella_workflows.model.alert import Alert, AlertStatus

FEW = 8
"""Alerts that are signalled at once, one by one."""

REMEMBERED = 60.0
"""Seconds; far below the window in which a repeat could mean anything."""

_REMEMBERED_AT_MOST = 10_000

_WITHIN = 8.0  # seconds of one write
_BATCH = 256 * 1024  # bytes; Temporal warns of larger payloads, and refuses those of 2 MiB
_SUMMARY = 100


Message = tuple[str, AlertStatus, datetime, datetime | None]
"""What a message says: of which alert, and which firing or end of it."""


class AlertDispatcher:
    """Hands alerts to Temporal. Belongs to one event loop."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self._client = client
        self._task_queue = task_queue
        self._waiting: list[tuple[tuple[Alert, ...], asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None
        self._stored: dict[str, tuple[Message, float]] = {}

    async def store(self, alerts: tuple[Alert, ...]) -> None:
        """Keep them all. Storing again what was stored changes nothing.

        Raises:
            TemporalUnavailable: some may not be stored; send all of them again.
        """
        fresh = tuple(alert for alert in alerts if not self._is_stored(alert))
        if not fresh:
            return
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((fresh, stored))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await stored

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            alerts = distinct(one for part, _ in waiting for one in part)
            try:
                await self._put(alerts)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is theirs who wait for it
                _answer(waiting, error)
            else:
                self._remember(alerts)
                _answer(waiting, None)

    def _is_stored(self, alert: Alert) -> bool:
        """Whether this is what was stored last of this alert, a moment ago."""
        message, at = self._stored.get(alert.fingerprint, (None, 0.0))
        return message == _message(alert) and clock.monotonic() - at < REMEMBERED

    def _remember(self, alerts: Iterable[Alert]) -> None:
        now = clock.monotonic()
        self._stored |= {alert.fingerprint: (_message(alert), now) for alert in alerts}
        if len(self._stored) > _REMEMBERED_AT_MOST:
            self._stored = {key: (message, at) for key, (message, at) in self._stored.items() if now - at < REMEMBERED}

    async def _put(self, alerts: tuple[Alert, ...]) -> None:
        if len(alerts) <= FEW:
            await gather_all(map(self.signal, alerts))
        else:
            await gather_all(map(self._keep, batches(alerts)))

    async def signal(self, alert: Alert) -> None:
        """Tell an alert's workflow, which is started if it does not run."""
        await call(
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

    async def _keep(self, batch: AlertBatch) -> None:
        digest = hashlib.sha256(batch.model_dump_json().encode()).hexdigest()
        await call(
            self._client.start_workflow(
                AlertIntake.run,
                batch,
                id=f"alerts-{digest[:32]}",
                task_queue=self._task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                static_summary=f"{len(batch.alerts)} alerts",
            ),
            _WITHIN,
        )


def _message(alert: Alert) -> Message:
    return alert.fingerprint, alert.status, alert.starts_at, alert.ends_at


def distinct(alerts: Iterable[Alert]) -> tuple[Alert, ...]:
    """Each message once."""
    return tuple({_message(alert): alert for alert in alerts}.values())


def batches(alerts: Iterable[Alert]) -> Iterator[AlertBatch]:
    """The alerts in as few parts as Temporal likes to take."""
    part: list[Alert] = []
    size = 0
    for alert in alerts:
        length = len(alert.model_dump_json().encode())
        if part and size + length > _BATCH:
            yield AlertBatch(alerts=tuple(part))
            part, size = [], 0
        part.append(alert)
        size += length
    if part:
        yield AlertBatch(alerts=tuple(part))


def _answer(waiting: list[tuple[tuple[Alert, ...], asyncio.Future[None]]], error: Exception | None) -> None:
    """Tell everybody who waits, unless he has gone."""
    for _, stored in waiting:
        if stored.done():
            continue
        if error is None:
            stored.set_result(None)
        else:
            stored.set_exception(error)


async def gather_all(writes: Iterable[Awaitable[None]]) -> None:
    """Wait for all of them, then raise what the first one that failed raised."""
    for answer in await asyncio.gather(*writes, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer


def _summary(alert: Alert) -> str:
    """A line for Temporal's pages, of printable characters only."""
    text = " ".join(part for part in (alert.name, alert.labels.get("namespace", "")) if part)
    return "".join(sign if sign.isprintable() else "?" for sign in text[:_SUMMARY])
