"""The telemetry of one workload, read from the database: what diagnosis and verification ask for."""

import asyncio

from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.store.database import Database, read_url
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.telemetry import Anomaly, TelemetryView
from prunella_workflows.model.workload import WorkloadRef

_TIMEOUT_SECONDS = 5.0
# The numbers are of the last update of the dashboard, which may fail while windows are judged: the older time counts.
_WORKLOAD = """
SELECT least(
           (SELECT min(watermark) FROM telemetry_watermark WHERE updated > now() - INTERVAL '1 hour'),
           (SELECT max(read_to) FROM telemetry_now)
       ) AS read_to,
       sum(requests)::bigint AS requests, coalesce(sum(error_share * requests) / nullif(sum(requests), 0), 0) AS share,
       max(error_baseline) AS error_baseline, max(p95_ms) AS p95_ms, max(p95_baseline_ms) AS p95_baseline_ms
FROM telemetry_now WHERE namespace = $1 AND kind = $2 AND workload = $3 HAVING count(*) > 0
"""
_ANOMALIES = """
SELECT body FROM telemetry_anomaly
WHERE namespace = $1 AND workload_kind = $2 AND workload = $3 AND (until IS NULL OR until > now() - INTERVAL '1 hour')
ORDER BY since
"""


class StoredTelemetry:
    """A source of evidence. Thread-safe: each question has a connection of its own."""

    def __init__(self, settings: Settings) -> None:
        """Raise InvalidInputError if no database is set."""
        self._url = read_url(settings)

    def read(self, workload: WorkloadRef) -> TelemetryView | None:
        """The view of one workload now; None if it has sent nothing for a day.

        Raises:
            Unavailable: the database does not answer.
        """
        return asyncio.run(self._read_in_time(workload))

    async def _read_in_time(self, workload: WorkloadRef) -> TelemetryView | None:
        """Give up in time for a diagnosis, which does without."""
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._read(workload)
        except TimeoutError as error:
            raise Unavailable(f"the telemetry database does not answer within {_TIMEOUT_SECONDS:.0f} s") from error

    async def _read(self, workload: WorkloadRef) -> TelemetryView | None:
        database = Database(self._url)
        names = workload.namespace, workload.kind, workload.name
        try:
            async with database.connection() as connection:
                row = await connection.fetchrow(_WORKLOAD, *names)
                bodies = await connection.fetch(_ANOMALIES, *names)
        finally:
            await database.close()
        if row is None:
            return None
        return TelemetryView(
            read_to=row["read_to"],
            requests=row["requests"],
            error_share=row["share"],
            error_baseline=row["error_baseline"],
            p95_ms=row["p95_ms"],
            p95_baseline_ms=row["p95_baseline_ms"],
            anomalies=tuple(Anomaly.model_validate_json(one["body"]) for one in bodies),
        )
