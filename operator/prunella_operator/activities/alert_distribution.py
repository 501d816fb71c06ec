"""Hands on the alerts that one notification brought: each to its own workflow."""

from temporalio import activity

from prunella_operator.activities.edge import edge
from prunella_operator.alert_store import AlertStore, all_of
from prunella_workflows.alert_contract import AlertBatch, AlertDistribution

_AT_ONCE = 8


class Distribution(AlertDistribution):
    """Asynchronous, unlike other activities: Temporal's client belongs to the worker's event loop."""

    def __init__(self, store: AlertStore) -> None:
        self._store = store

    @activity.defn(name="distributeAlerts")
    async def distribute(self, batch: AlertBatch) -> None:
        """See the contract."""
        done = next(iter(activity.info().heartbeat_details), 0)
        with edge():
            for start in range(done, len(batch.alerts), _AT_ONCE):
                activity.heartbeat(start)
                await all_of(map(self._store.signal, batch.alerts[start : start + _AT_ONCE]))
