"""Grafana's dashboard JSON, from values that hold only the differences between panels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from boards.queries import DATABASE, PROMETHEUS, Annotation, Json, Query, Sql

_SCHEMA = 41
"""The schema version of Grafana 12. A newer Grafana migrates a dashboard when it loads it."""
_COLUMNS = 24
_ABOVE = 1.25
"""Factor by which the axis exceeds a threshold line: Grafana does not draw a line far from all values."""
GREEN, YELLOW, RED = "green", "yellow", "red"


@dataclass(frozen=True)
class Panel:
    """One panel.

    It has the colour `base`, and those of `steps` from each value on. `line` draws these values; the axis reaches them.
    """

    title: str
    queries: tuple[Query | Sql, ...]
    kind: str = "timeseries"
    unit: str = "short"
    about: str = ""
    width: int = 12
    height: int = 8
    base: str = GREEN
    steps: tuple[tuple[float, str], ...] = ()
    line: bool = False
    stacked: bool = False
    most: float | None = None
    decimals: int | None = None
    """0 for what is counted: `increase` says that 2.03 incidents ended."""
    now: bool = False
    """Query the end of the range only: a range would show the last known value of series that are gone."""
    names: tuple[tuple[str, str], ...] = ()
    """Text for a value, such as ready or not ready."""
    units: tuple[tuple[str, str], ...] = ()
    """Units of columns of a table."""
    colours: tuple[tuple[str, str], ...] = ()
    """Colours of texts in a table."""


@dataclass(frozen=True)
class Text:
    """Text in Markdown."""

    title: str
    words: str
    width: int = _COLUMNS
    height: int = 5


@dataclass(frozen=True)
class Row:
    """A heading and the panels under it, from left to right."""

    title: str
    panels: Sequence[Panel | Text]


@dataclass(frozen=True)
class Variable:
    """A choice of the reader: one of the values that a query finds, or free text without a query."""

    name: str
    label: str
    query: str = ""
    source: Json = field(default_factory=lambda: PROMETHEUS)


@dataclass(frozen=True)
class Dashboard:
    """One dashboard."""

    uid: str
    title: str
    about: str
    rows: Sequence[Row]
    variables: Sequence[Variable] = field(default=())
    since: str = "now-24h"
    annotations: Sequence[Annotation] = ()

    def to_json(self) -> Json:
        """The JSON that Grafana imports."""
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.about,
            "tags": ["prunella"],
            "schemaVersion": _SCHEMA,
            "editable": True,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": self.since, "to": "now"},
            "links": [_siblings()],
            "annotations": {"list": [one.to_json() for one in self.annotations]},
            "templating": {"list": [*self._data_sources(), *map(_variable, self.variables)]},
            "panels": list(_laid_out(self.rows)),
        }

    def _data_sources(self) -> Iterator[Json]:
        """A choice of each kind of data source that is asked."""
        panels = [panel for row in self.rows for panel in row.panels if isinstance(panel, Panel)]
        asked = [query.source for panel in panels for query in panel.queries]
        asked += [annotation.query.source for annotation in self.annotations]
        if PROMETHEUS in asked:
            yield _data_source("datasource", "Prometheus", PROMETHEUS)
        if DATABASE in asked:
            yield _data_source("database", "Telemetry database", DATABASE)


def _siblings() -> Json:
    return {
        "type": "dashboards",
        "title": "Prunella",
        "icon": "external link",
        "tooltip": "",
        "tags": ["prunella"],
        "targetBlank": False,
        "asDropdown": True,
        "includeVars": False,
        "keepTime": True,
    }


def _data_source(name: str, label: str, source: Json) -> Json:
    return {"name": name, "label": label, "type": "datasource", "query": source["type"], "refresh": 1}


def _variable(variable: Variable) -> Json:
    if not variable.query:
        return {"name": variable.name, "label": variable.label, "type": "textbox", "query": ""}
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": variable.source,
        "definition": variable.query,
        "query": variable.query,
        "refresh": 2,
        "sort": 1,
    }


def _laid_out(rows: Sequence[Row]) -> Iterator[Json]:
    """Panels with their places and ids, counted from 1."""
    number, top = 0, 0
    for row in rows:
        number += 1
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "panels": [], **_at(0, top, 24, 1)}
        left, top, tallest = 0, top + 1, 0
        for panel in row.panels:
            if left + panel.width > _COLUMNS:
                left, top, tallest = 0, top + tallest, 0
            number += 1
            yield {"id": number, **_panel(panel), **_at(left, top, panel.width, panel.height)}
            left, tallest = left + panel.width, max(tallest, panel.height)
        top += tallest


def _at(left: int, top: int, width: int, height: int) -> Json:
    return {"gridPos": {"x": left, "y": top, "w": width, "h": height}}


def _panel(panel: Panel | Text) -> Json:
    if isinstance(panel, Text):
        return {"type": "text", "title": panel.title, "options": {"mode": "markdown", "content": panel.words}}
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": panel.queries[0].source,
        "targets": list(_targets(panel)),
        "fieldConfig": {"defaults": _defaults(panel), "overrides": list(_overrides(panel))},
        "options": _options(panel),
    }


def _targets(panel: Panel) -> Iterator[Json]:
    now = panel.now or panel.kind == "bargauge"
    for number, query in enumerate(panel.queries):
        yield {
            "refId": chr(ord("A") + number),
            "datasource": query.source,
            "editorMode": "code",
            **query.target(now=now, table=panel.kind == "table"),
        }


def _overrides(panel: Panel) -> Iterator[Json]:
    """Exceptions of a table: units of columns, and texts with a colour."""
    for column, unit in panel.units:
        yield {"matcher": {"id": "byName", "options": column}, "properties": [{"id": "unit", "value": unit}]}
    if panel.colours:
        texts = {text: {"color": colour, "index": at} for at, (text, colour) in enumerate(panel.colours)}
        properties = [
            {"id": "mappings", "value": [{"type": "value", "options": texts}]},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
        yield {"matcher": {"id": "byType", "options": "string"}, "properties": properties}


def _defaults(panel: Panel) -> Json:
    steps = [
        {"color": panel.base, "value": None},
        *({"color": colour, "value": value} for value, colour in panel.steps),
    ]
    found: Json = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.most is not None:
        found["max"] = panel.most
    if panel.decimals is not None:
        found["decimals"] = panel.decimals
    if panel.names:
        options = {value: {"text": name, "index": number} for number, (value, name) in enumerate(panel.names)}
        found["mappings"] = [{"type": "value", "options": options}]
    if panel.kind == "timeseries":
        found["custom"] = {
            "fillOpacity": 40 if panel.stacked else 8,
            "lineWidth": 1,
            "showPoints": "auto",  # one that stands alone is no line
            "spanNulls": False,  # where nothing is known, nothing is drawn
            "stacking": {"mode": "normal" if panel.stacked else "none", "group": "A"},
            "thresholdsStyle": {"mode": "dashed" if panel.line else "off"},
        }
        if panel.line and panel.most is None:
            found["custom"]["axisSoftMax"] = _ABOVE * panel.steps[-1][0]
    elif panel.steps or panel.names:
        found["color"] = {"mode": "thresholds"}
    return found


def _options(panel: Panel) -> Json:
    """Everything that Grafana's schema requires, mostly with Grafana's own defaults."""
    last = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []}
    match panel.kind:
        case "timeseries":
            return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
        case "stat":
            change = {"showPercentChange": False, "percentChangeColorMode": "standard"}
            graph = "none" if panel.now else "area"
            look = {"colorMode": "value", "graphMode": graph, "textMode": "auto", "justifyMode": "auto"}
            return {**last, "orientation": "auto", "wideLayout": True, **look, **change}
        case "bargauge":
            size = {"sizing": "auto", "minVizWidth": 8, "minVizHeight": 16, "maxVizHeight": 300}
            bars = {"displayMode": "basic", "valueMode": "color", "namePlacement": "auto"}
            return {
                **last,
                "orientation": "horizontal",
                "showUnfilled": True,
                **bars,
                **size,
                "legend": {**legend, "showLegend": False},
            }
        case "table":
            return {"frameIndex": 0, "showHeader": True, "cellHeight": "sm"}
    raise ValueError(f"no panel of the kind {panel.kind} is known here")
