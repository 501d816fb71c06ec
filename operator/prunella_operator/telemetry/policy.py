"""The parameters of detection. Workers with an account in the cluster read the ClusterHealingPolicies and keep the
parameters in the database, for the telemetry workers, which have none.
"""

import asyncio
from collections.abc import Iterable

import asyncpg
import structlog
from pydantic import ValidationError

from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.telemetry.store.database import Database, read_url
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.policy import ClusterHealingPolicySpec
from prunella_workflows.model.telemetry_policy import DEFAULTS, TelemetryPolicy, merge_telemetry

_log = structlog.get_logger("prunella.telemetry")
_INTERVAL_SECONDS = 60.0
_KEPT = "SELECT body FROM telemetry_state WHERE shard = -1 AND name = 'policy'"
_KEEP = """
INSERT INTO telemetry_state (shard, name, body, batch) VALUES (-1, 'policy', $1, '')
ON CONFLICT (shard, name) DO UPDATE SET body = EXCLUDED.body, updated = now()
"""


class PolicyKeeper:
    """Copies the parameters from the cluster to the database, every minute."""

    def __init__(self, settings: Settings, kube: SyncClient) -> None:
        self._url, self._kube = read_url(settings), kube

    async def run(self) -> None:
        """Copy until cancelled. What fails is logged, and the parameters stay as they were."""
        while True:
            try:
                await self.copy()
            except PrunellaError as error:
                _log.warning("the telemetry policy was not copied", error=str(error))
            await asyncio.sleep(_INTERVAL_SECONDS)

    async def copy(self) -> None:
        """Copy once.

        Raises:
            PrunellaError: the cluster or the database did not answer.
        """
        parameters = merge_policies(await asyncio.to_thread(lambda: [*self._kube.list(paths.policies())]))
        database = Database(self._url)
        try:
            async with database.connection() as connection:
                await connection.execute(_KEEP, parameters.model_dump_json().encode())
        finally:
            await database.close()


def merge_policies(policies: Iterable[Object]) -> TelemetryPolicy:
    """The parameters of all policies, in the order of their names; an invalid policy is skipped.

    The mode is left out: it may differ by namespace, and decides how alerts are handled, not what is detected.
    """
    found = []
    for policy in sorted(policies, key=lambda one: one["metadata"]["name"]):
        try:
            found.append(ClusterHealingPolicySpec.model_validate(policy.get("spec") or {}).telemetry)
        except ValidationError:
            _log.warning("an invalid policy is skipped", policy=policy["metadata"]["name"])
    return merge_telemetry(*(one.model_copy(update={"mode": None}) for one in found))


async def read_parameters(connection: asyncpg.Connection) -> TelemetryPolicy:
    """The parameters that are kept, or the built-in ones."""
    body = await connection.fetchval(_KEPT)
    return TelemetryPolicy.model_validate_json(body) if body else DEFAULTS
