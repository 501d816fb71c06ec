"""Hands on the alerts that came together: each to its own workflow, at a pace that leaves Temporal to others."""

import asyncio

from temporalio import activity

from prunella_operator.activities.errors import translate_errors
from prunella_operator.alerts.dispatcher import AlertDispatcher, gather_all
from prunella_workflows.contracts.alerts import AlertBatch, AlertDistribution

_AT_ONCE = 4
_PAUSE = 0.15
"""Seconds between two handfuls: some 25 alerts a second from each worker. Each of them is a workflow with activities,
and the webhook wants the same Temporal.
"""
_PAUSE_AT_MOST = 10.0


class Distribution(AlertDistribution):
    """Asynchronous, unlike other activities: Temporal's client belongs to the worker's event loop."""

    def __init__(self, store: AlertDispatcher) -> None:
        self._store = store
        self._active = 0

    @activity.defn(name="distributeAlerts")
    async def distribute(self, batch: AlertBatch) -> None:
        """See the contract. Those that hand on at the same time share the pace."""
        done = next(iter(activity.info().heartbeat_details), 0)
        self._active += 1
        try:
            with translate_errors():
                for start in range(done, len(batch.alerts), _AT_ONCE):
                    activity.heartbeat(start)
                    await asyncio.sleep(min(_PAUSE * self._active, _PAUSE_AT_MOST))
                    await gather_all(map(self._store.signal, batch.alerts[start : start + _AT_ONCE]))
        finally:
            self._active -= 1
