"""The shipped dashboards: what Grafana needs is there, and every metric exists. A real Prometheus runs the queries."""

import json
import re
from itertools import combinations

import pytest
from boards import grafana, overview, write
from boards.queries import DATABASE, PROMETHEUS, Query
from support.promql import metrics_of, unknown

BOARDS = {name: json.loads(path.read_text()) for name, path in write.paths().items()}
EACH = pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
# What Grafana's own schema (github.com/grafana/grafana-foundation-sdk, jsonschema/) requires of the options of a panel.
OPTIONS = {
    "text": {"mode", "content"},
    "timeseries": {"legend", "tooltip"},
    "stat": {
        "reduceOptions", "orientation", "colorMode", "graphMode", "textMode", "justifyMode", "wideLayout",
        "showPercentChange", "percentChangeColorMode",
    },
    "bargauge": {
        "reduceOptions", "orientation", "displayMode", "valueMode", "namePlacement", "showUnfilled", "sizing",
        "minVizWidth", "minVizHeight", "maxVizHeight", "legend",
    },
    "table": {"frameIndex", "showHeader", "cellHeight"},
}  # fmt: skip


def targets(board):
    return [target for panel in board["panels"] for target in panel.get("targets", ())]


def place(panel):
    at = panel["gridPos"]
    return {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}


def test_there_are_seven_and_that_of_the_orders():
    telemetry = {"telemetry-services", "telemetry-service", "telemetry-pipeline"}
    assert set(BOARDS) == {"overview", "incident", "operator", "temporal", *telemetry, "orders"}
    assert len({board["uid"] for board in BOARDS.values()}) == len({board["title"] for board in BOARDS.values()}) == 8


@EACH
def test_what_grafana_needs_of_a_dashboard(board):
    assert board["schemaVersion"] == 41
    assert board["uid"].startswith("prunella-")
    assert "id" not in board, "a number of one installation"
    assert board["tags"] == ["prunella"]
    assert set(board["time"]) == {"from", "to"}
    assert isinstance(board["annotations"]["list"], list)


@EACH
def test_what_grafana_needs_of_a_panel(board):
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    for panel in board["panels"]:
        assert panel["type"] in {"row", *OPTIONS}
        assert panel["title"]
        if panel["type"] != "row":
            assert set(panel["options"]) == OPTIONS[panel["type"]]
        if panel["type"] in {"row", "text"}:
            continue
        assert panel["datasource"] in (PROMETHEUS, DATABASE)
        assert panel["fieldConfig"]["defaults"]["unit"]
        assert panel["fieldConfig"]["defaults"]["thresholds"]["steps"][0]["value"] is None
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references) > 0
        assert all(target["datasource"] == panel["datasource"] for target in panel["targets"])
        assert all(("rawSql" in target) == (panel["datasource"] == DATABASE) for target in panel["targets"])


@EACH
def test_panels_lie_side_by_side_within_24_columns(board):
    for panel in board["panels"]:
        assert panel["gridPos"]["x"] >= 0
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24
    assert [(a["title"], b["title"]) for a, b in combinations(board["panels"], 2) if place(a) & place(b)] == []


@EACH
def test_every_variable_that_is_used_is_there(board):
    text = json.dumps([board["panels"], board["templating"], board["annotations"]])
    used = {name for name in re.findall(r"\$\{?(\w+)", text) if not name.startswith("__")}
    assert used == {variable["name"] for variable in board["templating"]["list"]}


@EACH
def test_every_metric_exists(board):
    for query in [target["expr"] for target in (*targets(board), *board["annotations"]["list"]) if "expr" in target]:
        assert metrics_of(query), query
        assert unknown(query) == set(), query
    for variable in board["templating"]["list"]:
        if found := re.fullmatch(r"label_values\((\w+), \w+\)", variable.get("definition", "")):
            assert unknown(found[1]) == set()


def test_choices_are_quoted_in_sql_because_names_in_telemetry_are_hostile():
    texts = [target["rawSql"] for board in BOARDS.values() for target in targets(board) if "rawSql" in target]
    texts += [one["query"] for board in BOARDS.values() for one in board["templating"]["list"] if " " in one["query"]]
    assert any("${service:sqlstring}" in text for text in texts)
    macros = re.compile(r"\$(__timeFilter\(\w+\)|__timeFrom\(\)|__timeTo\(\)|__interval_ms|\{\w+:sqlstring\})")
    assert [text for text in texts if "$" in macros.sub("", text)] == []


@pytest.mark.parametrize(
    ("title", "target"),
    [("Time to detect", 120), ("Time to repair", 900), ("Auto-repair rate per day", 0.75)],
)
def test_the_targets_are_drawn(title, target):
    (panel,) = [item for item in BOARDS["overview"]["panels"] if item["title"] == title]
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["thresholds"]["steps"][-1]["value"] == target
    assert defaults["custom"]["thresholdsStyle"]["mode"] == "dashed"


@EACH
def test_a_line_is_within_the_axis(board):
    """Grafana does not draw a threshold that no value comes near."""
    for panel in board["panels"]:
        defaults = panel.get("fieldConfig", {}).get("defaults", {})
        if defaults.get("custom", {}).get("thresholdsStyle", {}).get("mode") == "dashed":
            top = defaults.get("max") or defaults["custom"]["axisSoftMax"]
            assert top > defaults["thresholds"]["steps"][-1]["value"]


@EACH
def test_no_two_queries_of_a_panel_have_the_same_names(board):
    for panel in board["panels"]:
        legends = [target["legendFormat"] for target in panel.get("targets", ()) if "expr" in target]
        assert len(set(legends)) == len(legends), panel["title"]


def test_the_targets_are_those_that_were_set():
    assert (overview.DETECTION, overview.REPAIR, overview.AUTO_REPAIR) == (2 * 60, 15 * 60, 0.75)


def test_a_panel_of_no_known_kind_is_refused():
    with pytest.raises(ValueError, match="piechart"):
        grafana.Dashboard(
            "x", "X", "", [grafana.Row("r", [grafana.Panel("p", (Query("up"),), kind="piechart")])]
        ).to_json()
