"""SQL of a dashboard as Grafana sends it to the telemetry database, and its answers as series."""

import asyncio
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import asyncpg

from pictures.series import Json, Line, UnansweredError, Window

_TIMEOUT = 30
_LEAST = 10  # seconds between two points: the windows that are stored


def filled(text: str, window: Window, chosen: Mapping[str, str]) -> str:
    """Grafana's macros and the choices of the reader, replaced. Choices are quoted as `sqlstring` does it.

    Raises:
        UnansweredError: nothing was chosen for a variable.
    """
    start, end = (f"'{datetime.fromtimestamp(at, UTC).isoformat()}'" for at in (window.start, window.end))
    text = re.sub(r"\$__timeFilter\((\w+)\)", rf"\1 BETWEEN {start} AND {end}", text)
    interval = 1000 * _LEAST * max(1, window.step // _LEAST)
    for name, value in {"$__timeFrom()": start, "$__timeTo()": end, "$__interval_ms": str(interval)}.items():
        text = text.replace(name, value)

    def quoted(found: re.Match[str]) -> str:
        if found[1] not in chosen:
            raise UnansweredError(f"the dashboard asks for a value of {found[1]}: give --set {found[1]}=VALUE")
        return "'" + chosen[found[1]].replace("'", "''") + "'"

    return re.sub(r"\$\{(\w+):sqlstring\}", quoted, text)


def lines_of(rows: Iterable[Json]) -> Iterator[Line]:
    """The series of rows with `time`, `metric` and `value`."""
    series: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        value = float(row["value"])
        if math.isfinite(value):
            series.setdefault(row["metric"], []).append((row["time"].timestamp(), value))
    for name, points in series.items():
        yield Line(name, tuple(points))


def ask(url: str, sql: str) -> list[Json]:
    """The rows of a query.

    Raises:
        UnansweredError: the database does not answer, or refuses the query.
    """

    async def fetch() -> list[Json]:
        connection = await asyncpg.connect(url, timeout=_TIMEOUT, command_timeout=_TIMEOUT)
        try:
            async with connection.transaction(readonly=True):
                return [dict(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    try:
        return asyncio.run(fetch())
    except (OSError, TimeoutError, asyncpg.PostgresError) as error:
        raise UnansweredError(f"{sql}: {error}") from error
