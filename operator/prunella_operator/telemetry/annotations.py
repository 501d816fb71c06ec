"""Annotations in Grafana: one per anomaly, from its onset to its end."""

from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.telemetry.store.database import Database
from prunella_workflows.model.errors import Unavailable

_TAG = "prunella"
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_CHANGED = """
SELECT fingerprint, since, until, kind, namespace, workload, service, origin, updated FROM telemetry_anomaly
WHERE updated > $1 ORDER BY updated LIMIT 100
"""


class Annotations:
    """Writes anomalies that changed since the last call, or since the start."""

    def __init__(self, database: Database, url: str, token_file: str | None) -> None:
        self._database, self._url, self._token_file = database, url, token_file
        self._written_to = clock.now()

    async def update(self) -> None:
        """Annotate the anomalies that changed.

        Raises:
            Unavailable: Grafana does not answer, or refuses.
        """
        async with self._database.connection() as connection:
            changed = await connection.fetch(_CHANGED, self._written_to)
        if not changed:
            return
        headers = self._headers()
        try:
            async with aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT, raise_for_status=True) as session:
                for anomaly in changed:
                    await self._write(session, anomaly)
                    self._written_to = anomaly["updated"]
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(f"Grafana was not annotated: {type(error).__name__}") from error

    def _headers(self) -> dict[str, str]:
        if not self._token_file:
            return {}
        return {"Authorization": f"Bearer {Path(self._token_file).read_text().strip()}"}

    async def _write(self, session: aiohttp.ClientSession, anomaly: asyncpg.Record) -> None:
        """Create the anomaly's annotation, which is found by its tags, or move its end."""
        times = {"time": _ms(anomaly["since"]), "timeEnd": _ms(anomaly["until"] or anomaly["since"])}
        tags = [_TAG, f"{anomaly['fingerprint']}-{times['time']}"]
        url = f"{self._url}/api/annotations"
        async with session.get(url, params=[("tags", tag) for tag in tags]) as response:
            known: list[dict[str, Any]] = await response.json()
        if known:
            await session.patch(f"{url}/{known[0]['id']}", json=times)
        else:
            await session.post(url, json={**times, "tags": tags, "text": _describe(anomaly)})


def create(settings: Settings, database: Database) -> Annotations | None:
    """The annotations that settings ask for."""
    url = settings.telemetry_grafana_url
    return Annotations(database, url, settings.telemetry_grafana_token_file) if url else None


def _describe(anomaly: asyncpg.Record) -> str:
    subject = f"{anomaly['namespace']}/{anomaly['workload']}" if anomaly["workload"] else anomaly["service"]
    return f"{anomaly['kind']} of {subject}, origin: {anomaly['origin'] or 'unknown'}"


def _ms(time: Any) -> int:
    return int(time.timestamp() * 1000)
