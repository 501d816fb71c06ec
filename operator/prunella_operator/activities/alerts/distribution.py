"""Distribute the alerts of a batch: each to its own workflow, at a rate that leaves Temporal to others."""

import asyncio

from temporalio import activity

from prunella_operator.alerts.dispatcher import AlertDispatcher, gather_all
from prunella_workflows.contracts.alerts import AlertBatch, AlertDistribution
from prunella_workflows.temporal.failures import translate_errors

_CHUNK_SIZE = 4  # alerts
_CHUNK_INTERVAL_SECONDS = 0.15
"""About 25 alerts a second from each worker. Each is a workflow with activities, and the webhook needs Temporal too."""
_MAX_CHUNK_INTERVAL_SECONDS = 10.0


class Distribution(AlertDistribution):
    """Asynchronous, unlike other activities: Temporal's client belongs to the worker's event loop."""

    def __init__(self, dispatcher: AlertDispatcher) -> None:
        self._dispatcher = dispatcher
        self._active = 0

    @activity.defn(name="distributeAlerts")
    async def distribute(self, batch: AlertBatch) -> None:
        """See the contract. Concurrent batches share the rate."""
        done = next(iter(activity.info().heartbeat_details), 0)
        self._active += 1
        try:
            with translate_errors():
                for start in range(done, len(batch.alerts), _CHUNK_SIZE):
                    activity.heartbeat(start)
                    await asyncio.sleep(min(_CHUNK_INTERVAL_SECONDS * self._active, _MAX_CHUNK_INTERVAL_SECONDS))
                    await gather_all(map(self._dispatcher.signal, batch.alerts[start : start + _CHUNK_SIZE]))
        finally:
            self._active -= 1
