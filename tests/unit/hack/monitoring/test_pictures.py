"""Pictures of the dashboards: each panel at its place, each series with its name and in its unit, and the targets."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from boards import write
from fakes.httpd import Answer, Httpd
from pictures import answers, sql, values
from pictures.page import WIDTH, picture
from pictures.series import UnansweredError, Window

ROOT = Path(__file__).parents[4]
BOARDS = {name: json.loads(path.read_text()) for name, path in write.paths().items()}
EACH = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
WINDOW = Window(1_790_000_100, 1_790_001_000)
CHOSEN = {"namespace": "shop", "workload": "web", "incident": "web-1", "service": "it's"}
ALLOWED_EMPTY = {"temporal": 2}
"""Panels of failures that did not happen when the pictures of the documents were made."""
SVG = "{http://www.w3.org/2000/svg}"


class Invented:
    """Two series for every query, with constant values."""

    def __init__(self, value=3.0, series=2):
        self.value, self.series, self.asked = value, series, []

    def over(self, query, window):
        self.asked.append(query)
        times = range(window.start, window.end + 1, window.step)
        labels = re.findall(r"\w+", query)
        return [
            {
                "metric": {label: f"{label}-{number}" for label in labels},
                "values": [[when, str(self.value)] for when in times],
            }
            for number in range(self.series)
        ]

    def at_the_end(self, query, window):
        return [{**series, "values": series["values"][-1:]} for series in self.over(query, window)]

    def rows(self, query):
        self.asked.append(query)
        time = datetime.fromtimestamp(WINDOW.start, UTC)
        return [{"time": time, "metric": f"series {number}", "value": self.value} for number in range(self.series)]


def drawn(board, source=None):
    return ET.fromstring(picture(board, source or Invented(), WINDOW, CHOSEN))


def texts(root):
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def panel_of(kind, width=12, steps=(), **defaults):
    """A dashboard of one panel."""
    thresholds = {"mode": "absolute", "steps": [{"color": "green", "value": None}, *steps]}
    custom = {
        "stacking": {"mode": "none"},
        "drawStyle": "line",
        "thresholdsStyle": {"mode": "dashed"},
        **defaults.pop("custom", {}),
    }
    fields = {"unit": "short", "min": 0, "thresholds": thresholds, "custom": custom, **defaults}
    return {
        "title": "A board",
        "description": "Of one panel.",
        "panels": [
            {
                "type": kind,
                "title": "A panel",
                "gridPos": {"x": 0, "y": 0, "w": width, "h": 8},
                "fieldConfig": {"defaults": fields},
                "options": {"graphMode": "area"},
                "targets": [{"expr": "up", "legendFormat": "{{up}}", "instant": kind == "bargauge"}],
            }
        ],
    }


@EACH
def test_every_query_is_asked_and_every_panel_is_there(board):
    source = Invented()
    root = drawn(board, source)
    assert len(source.asked) == sum(len(panel.get("targets", ())) for panel in board["panels"])
    assert not [query for query in source.asked if "$" in query]
    for panel in board["panels"]:
        assert any(text.rstrip("…") in panel["title"] for text in texts(root)), panel["title"]
    assert "not a screenshot of Grafana" in " ".join(texts(root))


@EACH
def test_nothing_is_drawn_outside_and_nothing_is_loaded(board):
    text = picture(board, Invented(), WINDOW, CHOSEN)
    root = ET.fromstring(text)
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width == WIDTH
    for box in root.iter(f"{SVG}rect"):
        assert 0 <= float(box.get("x")) <= float(box.get("x")) + float(box.get("width")) <= width
        assert 0 <= float(box.get("y")) <= float(box.get("y")) + float(box.get("height")) <= height
    assert "href" not in text
    assert "url(" not in text


@pytest.mark.parametrize("name", BOARDS)
def test_the_picture_of_the_documents_is_of_this_dashboard(name):
    root = ET.parse(ROOT / "docs" / "images" / f"dashboard-{name}.svg").getroot()
    panels = [panel["title"] for panel in BOARDS[name]["panels"]]
    assert [title for title in panels if title not in texts(root)] == []
    assert texts(root).count("No data") <= ALLOWED_EMPTY.get(name, 0)


def test_a_panel_without_an_answer_says_so():
    assert "No data" in texts(drawn(panel_of("timeseries"), Invented(series=0)))
    assert "No data" in texts(drawn(panel_of("stat"), Invented(value=float("nan"))))


def test_a_target_is_drawn_where_it_is_within_the_axis():
    steps = ({"color": "red", "value": 120},)
    targets = [
        line
        for soft in (0, 150)
        for line in drawn(panel_of("timeseries", steps=steps, custom={"axisSoftMax": soft})).iter(f"{SVG}line")
        if line.get("class") == "target red"
    ]
    assert len(targets) == 1


def test_a_number_has_its_unit_its_name_and_its_colour():
    steps = ({"color": "yellow", "value": 2}, {"color": "red", "value": 9})
    root = drawn(panel_of("stat", steps=steps, unit="s"), Invented(2.5))
    assert {(element.text, element.get("class")) for element in root.iter(f"{SVG}text")} >= {
        ("2.5 s", "yellow"),
        ("up-1", "faint"),
    }


def test_a_value_has_the_word_for_it():
    words = [{"type": "value", "options": {"1": {"text": "yes", "index": 0}}}]
    assert texts(drawn(panel_of("stat", mappings=words), Invented(1.0))).count("yes") == 2


def test_a_bar_is_as_long_as_its_share():
    full, half = (drawn(panel_of("bargauge", max=top), Invented(4, 1)) for top in (4, 8))
    longest, shorter = (list(root.iter(f"{SVG}rect"))[-1] for root in (full, half))
    assert float(shorter.get("width")) == pytest.approx(float(longest.get("width")) / 2, abs=0.1)


def test_stacked_series_stand_on_each_other():
    root = drawn(panel_of("timeseries", custom={"stacking": {"mode": "normal"}}))
    heights = [
        float(re.search(r",([\d.]+)", element.get("d"))[1])
        for element in root.iter(f"{SVG}path")
        if "L" in element.get("d")
    ]
    assert len(set(heights)) == 2
    assert len([element for element in root.iter(f"{SVG}path") if element.get("class") == "area"]) == 2


def test_a_line_ends_where_nothing_is_known():
    class Away(Invented):
        def over(self, query, window):
            return [
                {**series, "values": series["values"][:5] + series["values"][9:]}
                for series in super().over(query, window)
            ]

    root = drawn(panel_of("timeseries"), Away(series=1))
    assert len([element for element in root.iter(f"{SVG}path") if "L" in element.get("d")]) == 2


def test_a_long_legend_is_cut_and_says_how_much():
    root = drawn(panel_of("timeseries", width=6), Invented(series=60))
    (more,) = [text for text in texts(root) if re.fullmatch(r"and \d+ more", text)]
    assert int(more.split()[1]) + len([text for text in texts(root) if text.startswith("up-")]) == 60


def test_what_is_not_known_is_refused():
    with pytest.raises(ValueError, match="piechart"):
        drawn(panel_of("piechart"))
    with pytest.raises(ValueError, match="parsecs"):
        drawn(panel_of("stat", unit="parsecs"))
    with pytest.raises(UnansweredError, match="--set workload=VALUE"):
        picture(BOARDS["incident"], Invented(), WINDOW, {"namespace": "shop", "incident": "web-1"})


def test_sql_as_grafana_sends_it():
    text = "SELECT $__interval_ms WHERE $__timeFilter(ts) AND ts < $__timeTo() AND service = ${service:sqlstring}"
    assert sql.filled(text, Window(0, 3600), CHOSEN) == (
        "SELECT 10000 WHERE ts BETWEEN '1970-01-01T00:00:00+00:00' AND '1970-01-01T01:00:00+00:00' "
        "AND ts < '1970-01-01T01:00:00+00:00' AND service = 'it''s'"
    )
    with pytest.raises(UnansweredError, match="--set service=VALUE"):
        sql.filled(text, WINDOW, {})


def test_a_table_has_its_columns_in_their_units_and_colours():
    class Table(Invented):
        def rows(self, query):
            return [{"service": f"<b>{number}", "errors": 0.25, "state": "Critical"} for number in range(50)]

    board = panel_of("table")
    (panel,) = board["panels"]
    colours = {"options": {"Critical": {"color": "red"}}}
    panel["targets"] = [{"rawSql": "SELECT 1"}]
    panel["fieldConfig"]["overrides"] = [
        {"matcher": {"id": "byName", "options": "errors"}, "properties": [{"value": "percentunit"}]},
        {"matcher": {"id": "byType", "options": "string"}, "properties": [{"value": [colours]}]},
    ]
    root = drawn(board, Table())
    assert {"service", "errors", "state", "<b>0", "25 %"} <= set(texts(root))
    assert len([one for one in root.iter(f"{SVG}text") if one.get("class") == "red"]) == 9
    assert "No data" in texts(drawn(board, Invented(series=0)))


def test_an_answer_of_the_database_without_a_database_is_refused():
    with pytest.raises(UnansweredError, match="--database"):
        answers.Prometheus("http://127.0.0.1:1").rows("SELECT 1")
    with pytest.raises(UnansweredError, match="SELECT 1"):
        answers.Prometheus("http://127.0.0.1:1", "postgresql://a:b@127.0.0.1:1/none").rows("SELECT 1")


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "said"),
    [
        (0, "s", None, "0 s"),
        (0.0123, "s", None, "12.3 ms"),
        (90, "s", None, "1.5 min"),
        (900, "s", None, "15 min"),
        (250, "ms", None, "250 ms"),
        (64 * 2**20, "bytes", None, "64 MiB"),
        (0.754, "percentunit", None, "75.4 %"),
        (2.03, "short", 0, "2"),
        (1234, "short", None, "1.23 k"),
        (0.05, "short", None, "0.05"),
    ],
)
def test_values_in_their_units(value, unit, decimals, said):
    assert values.said(value, unit, decimals) == said


@pytest.mark.parametrize(
    ("top", "unit", "ticks"),
    [
        (150, "s", [0, 30, 60, 90, 120, 150]),
        (3, "short", [0, 1, 2, 3]),
        (290_000, "ms", [0, 60_000, 120_000, 180_000, 240_000, 300_000]),
        (0.125, "percentunit", [0, 0.025, 0.05, 0.075, 0.1, 0.125]),
        (100 * 2**20, "bytes", [number * 32 * 2**20 for number in range(5)]),
    ],
)
def test_axes_have_round_numbers(top, unit, ticks):
    assert values.ticks(top, unit) == pytest.approx(ticks)


def test_a_window_as_grafana_asks_for_it():
    assert (WINDOW.length, WINDOW.step) == (900, 15)
    assert Window(0, 6 * 3600).step == 90
    assert answers.filled("x[$__rate_interval] y[$__range]", WINDOW, {}) == "x[60s] y[900s]"


def test_what_a_prometheus_is_asked():
    series = {"metric": {"part": "pods"}, "values": [[15, "1"]]}
    moment = {"metric": {"part": "pods"}, "value": [59, "NaN"]}

    def answer(asked):
        return Answer(body={"data": {"result": [moment if asked.path == "/api/v1/query" else series]}})

    with Httpd(answer) as server:
        prometheus = answers.Prometheus(server.url)
        assert prometheus.over("up", Window(7, 59)) == [series]
        assert prometheus.at_the_end("up", Window(7, 59)) == [{"metric": {"part": "pods"}, "values": [[59, "NaN"]]}]
    assert [request.body.decode() for request in server.asked] == [
        "query=up&start=15&end=45&step=15",
        "query=up&time=59",
    ]


def test_a_query_without_an_answer_is_told():
    server = Httpd(lambda _: Answer(400, {"error": "parse error"}))
    with server, pytest.raises(UnansweredError, match=r"up{: .*parse error"):
        answers.Prometheus(server.url).over("up{", WINDOW)
    with pytest.raises(UnansweredError, match=r"up: .*refused"):
        answers.Prometheus(server.url).over("up", WINDOW)
