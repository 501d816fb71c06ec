"""The picture of a trace: a line and a bar for each span, below its parent, and an error in red."""

import importlib.util
import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[3]
spec = importlib.util.spec_from_file_location("docs_trace_picture", ROOT / "docs" / "trace_picture.py")
drawing = importlib.util.module_from_spec(spec)
sys.modules["docs_trace_picture"] = drawing  # dataclasses look their module up
spec.loader.exec_module(drawing)

SVG = "{http://www.w3.org/2000/svg}"
SECOND = 10**9


def span(ident, name, begin, end, parent="", **more):
    times = {"startTimeUnixNano": str(5 * SECOND + begin), "endTimeUnixNano": str(5 * SECOND + end)}
    return {"traceId": "t", "spanId": ident, "parentSpanId": parent, "name": name, **times, **more}


@pytest.fixture
def spans(tmp_path):
    path = {"key": "url.path", "value": {"stringValue": "/api/v1/namespaces/shop/pods"}}
    raw = [
        span("c", "kubernetes GET", 3 * SECOND // 2, 2 * SECOND, "b", attributes=[path]),
        span("a", "incident:open", 0, SECOND // 10),
        span("b", "activity:<confirm>", SECOND, 3 * SECOND, "a", status={"code": 2}),
    ]
    file = tmp_path / "traces.json"
    file.write_text(
        "".join(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [item]}]}]}) + "\n" for item in raw)
    )
    return drawing.read(file)


def test_each_span_stands_below_its_parent(spans):
    assert [(depth, item.name) for depth, item in drawing.in_order(spans)] == [
        (0, "incident:open"),
        (1, "activity:<confirm>"),
        (2, "kubernetes GET"),
    ]
    assert [(item.begin, item.end) for item in spans] == [(0.0, 100.0), (1000.0, 3000.0), (1500.0, 2000.0)]


def test_the_picture_is_valid_and_loads_nothing(spans):
    text = drawing.picture(spans)
    drawn = ET.fromstring(text)
    bars = [element.get("class") for element in drawn.iter(f"{SVG}rect")]
    assert bars == ["ground", "incident", "failed", "kubernetes"]
    words = ["".join(element.itertext()) for element in drawn.iter(f"{SVG}text")]
    assert "activity:<confirm>" in words
    assert "kubernetes GET pods" in words
    assert "2000 ms" in words
    assert "href" not in text


def test_the_picture_of_the_documents_is_one_of_a_whole_healing():
    drawn = ET.parse(ROOT / "docs" / "images" / "trace.svg")
    words = ["".join(element.itertext()) for element in drawn.iter(f"{SVG}text")]
    for name in ("incident:open", "workflow:SelfHealing Healed", "activity:repair", "kubernetes PATCH deployments/web"):
        assert name in words
