"""Answers of a Prometheus to the queries of a dashboard, with the parameters that Grafana sends."""

import json
import math
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Protocol

from pictures import sql
from pictures.series import SCRAPED, Json, Line, UnansweredError, Window

_TIMEOUT = 30


class Source(Protocol):
    """Answers queries: a Prometheus, or a fake of a test."""

    def over(self, query: str, window: Window) -> list[Json]:
        """Series over the window: `metric` and `values`."""
        ...

    def at_the_end(self, query: str, window: Window) -> list[Json]:
        """Series at its end: `metric` and one of `values`."""
        ...

    def rows(self, query: str) -> list[Json]:
        """Rows of the telemetry database, by names of columns."""
        ...


class Prometheus:
    """A real one, by its address; for dashboards of telemetry with the URL of its database."""

    def __init__(self, url: str, database: str = "") -> None:
        self._url, self._database = url.rstrip("/"), database

    def over(self, query: str, window: Window) -> list[Json]:
        """Points lie at multiples of the step, as Grafana's do, but not before the window."""
        start, end = math.ceil(window.start / window.step) * window.step, window.end // window.step * window.step
        return self._ask("query_range", query=query, start=start, end=end, step=window.step)

    def at_the_end(self, query: str, window: Window) -> list[Json]:
        """In the form of a range of one point."""
        found = self._ask("query", query=query, time=window.end)
        return [{"metric": one["metric"], "values": [one["value"]]} for one in found]

    def rows(self, query: str) -> list[Json]:
        """Rows of the telemetry database."""
        if not self._database:
            raise UnansweredError("the dashboard asks the telemetry database: give --database URL")
        return sql.ask(self._database, query)

    def _ask(self, what: str, **parameters: object) -> list[Json]:
        """The series of an answer.

        Raises:
            UnansweredError: it cannot be reached, or refuses the query.
        """
        body = urllib.parse.urlencode(parameters).encode()
        try:
            with urllib.request.urlopen(f"{self._url}/api/v1/{what}", body, timeout=_TIMEOUT) as answer:
                result: list[Json] = json.load(answer)["data"]["result"]
        except OSError as error:
            said = error.read().decode() if isinstance(error, urllib.error.HTTPError) else str(error)
            raise UnansweredError(f"{parameters['query']}: {said}") from error
        return result


def filled(text: str, window: Window, chosen: Mapping[str, str]) -> str:
    """Grafana's own variables and those of the reader, replaced.

    Raises:
        UnansweredError: nothing was chosen for one of them.
    """
    values = {
        "__range": f"{window.length}s",
        "__rate_interval": f"{max(window.step + SCRAPED, 4 * SCRAPED)}s",
        **chosen,
    }

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise UnansweredError(f"the dashboard asks for a value of ${found[1]}: give --set {found[1]}=VALUE")
        return values[found[1]]

    return re.sub(r"\$(\w+)", value, text)


def lines(panel: Json, source: Source, window: Window, chosen: Mapping[str, str]) -> list[Line]:
    """All series of a panel that have a number, by the order of its queries."""
    return [line for target in panel["targets"] for line in lines_of(target, source, window, chosen)]


def lines_of(target: Json, source: Source, window: Window, chosen: Mapping[str, str]) -> Iterator[Line]:
    """The series of one query that have a number."""
    if "rawSql" in target:
        yield from sql.lines_of(source.rows(sql.filled(target["rawSql"], window, chosen)))
        return
    ask = source.at_the_end if target["instant"] else source.over
    for one in ask(filled(target["expr"], window, chosen), window):
        points = tuple((float(when), float(value)) for when, value in one["values"])
        if numbers := tuple(point for point in points if math.isfinite(point[1])):
            yield Line(_named(target["legendFormat"], one["metric"]), numbers)


def rows_of(panel: Json, source: Source, window: Window, chosen: Mapping[str, str]) -> list[Json]:
    """The rows of a table."""
    return [row for target in panel["targets"] for row in source.rows(sql.filled(target["rawSql"], window, chosen))]


def _named(form: str, labels: Mapping[str, str]) -> str:
    if form == "__auto":
        return ", ".join(f"{name}={value}" for name, value in labels.items() if name != "__name__")
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda found: labels.get(found[1], ""), form)
