"""One healing, traced to a real OpenTelemetry Collector over gRPC and read back from its file, without Kubernetes."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from support.collector import collecting, metric_names, spans

ROOT = Path(__file__).parents[2]
# The first time the collector is built: minutes on two cores.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The folder of the collector; PRUNELLA_TRACE_FOLDER keeps it, for the picture in docs/tracing.md."""
    kept = os.environ.get("PRUNELLA_TRACE_FOLDER")
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
    return Path(kept) if kept else tmp_path_factory.mktemp("collector")


@pytest.fixture(scope="module")
def healing(folder):
    """The status in which the incident ended, and what the collector got."""
    with collecting(folder) as collector:
        done = subprocess.run(
            [sys.executable, ROOT / "tests" / "support" / "traced_healing.py"],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1]  # Temporal's server has the same standard output
    return json.loads(last), spans(collector.traces), metric_names(collector.metrics)


def test_it_is_one_trace_and_the_status_names_it(healing):
    status, found, _ = healing
    assert status["phase"] == "Healed"
    assert {span["traceId"] for span in found} == {status["traceId"]}


def test_every_parent_is_there_and_one_span_has_none(healing):
    _, found, _ = healing
    known = {span["spanId"] for span in found}
    assert len(known) == len(found), "a span came twice"
    assert [span["name"] for span in found if span.get("parentSpanId", "") not in known] == ["incident:open"]


def test_it_tells_the_whole_story(healing):
    _, found, _ = healing
    names = Counter(span["name"] for span in found)
    by_id = {span["spanId"]: span for span in found}
    assert names["workflow:SelfHealing"] == 1
    for name in ("incident:start", "activity:confirm", "activity:diagnose", "activity:repair", "activity:close"):
        assert names[name] == 1, name
    assert names["activity:verify"] == 2
    patches = [span for span in found if span["name"] == "kubernetes PATCH"]
    assert {by_id[span["parentSpanId"]]["name"] for span in patches} == {
        "activity:report",
        "activity:repair",
        "activity:close",
    }
    (created,) = (span for span in found if span["name"] == "kubernetes POST")
    assert by_id[created["parentSpanId"]]["name"] == "incident:open"


def test_children_lie_within_their_workflow(healing):
    _, found, _ = healing
    (workflow,) = (span for span in found if span["name"].startswith("workflow:"))
    slack = 50_000_000  # nanoseconds: two processes' looks at one clock
    for span in found:
        if span.get("parentSpanId") == workflow["spanId"]:
            assert int(workflow["startTimeUnixNano"]) - slack <= int(span["startTimeUnixNano"])
            assert int(span["endTimeUnixNano"]) <= int(workflow["endTimeUnixNano"]) + slack


def test_the_collector_takes_our_metrics(healing):
    _, _, names = healing
    assert {"temporal.workflow.started", "temporal.workflow.duration", "temporal.activity.completed"} <= names
    assert "prunella_incident_opening_seconds" in names
