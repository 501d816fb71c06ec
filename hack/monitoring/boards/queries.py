"""Queries of panels: PromQL for Prometheus, SQL for the telemetry database; each as Grafana's data source wants it."""

from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

PROMETHEUS: Json = {"type": "prometheus", "uid": "${datasource}"}
DATABASE: Json = {"type": "grafana-postgresql-datasource", "uid": "${database}"}


@dataclass(frozen=True)
class Query:
    """One PromQL expression, and the legend of its series."""

    expr: str
    legend: str = ""

    source = PROMETHEUS

    def target(self, *, now: bool, table: bool) -> Json:
        """A line chart needs the whole range; a single number only its end, and its sparkline the range again."""
        del table  # no panel shows a table of PromQL
        return {"expr": self.expr, "legendFormat": self.legend or "__auto", "instant": now, "range": not now}


@dataclass(frozen=True)
class Sql:
    """One SQL query: `time`, `metric` (the name of a series) and `value`, by time; for a table any columns.

    Text from telemetry is hostile: a reader's choice is `${name:sqlstring}`, which Grafana quotes.
    """

    sql: str

    source = DATABASE

    def target(self, *, now: bool, table: bool) -> Json:
        """SQL says itself which time it wants."""
        del now
        form = "table" if table else "time_series"
        return {"format": form, "rawQuery": True, "rawSql": " ".join(self.sql.split())}


@dataclass(frozen=True)
class Annotation:
    """Marks in all panels of a dashboard: moments of PromQL, or rows of SQL with `time`, `timeend` and `text`."""

    name: str
    query: Query | Sql
    colour: str

    def to_json(self) -> Json:
        """The JSON of the dashboard's list."""
        found: Json = {"name": self.name, "datasource": self.query.source, "enable": True, "iconColor": self.colour}
        if isinstance(self.query, Query):
            return {**found, "expr": self.query.expr, "textFormat": self.query.legend, "step": "60s"}
        target = self.query.target(now=False, table=True)
        return {**found, "target": {"refId": "Anno", "editorMode": "code", **target}}


def counted(counter: str, over: str) -> str:
    """Count the events in a time, of a counter whose series begin with their first event.

    `increase` does not see that event, so a series that is absent at the beginning counts as a whole.
    """
    return f"({counter} unless {counter} offset {over} or increase({counter}[{over}]))"
