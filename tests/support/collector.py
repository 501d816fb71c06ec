"""A real OpenTelemetry Collector: it takes OTLP over gRPC, and writes what it got into files that tests read."""

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from localcluster import build
from telemetrystack.collector import Collector


@dataclass(frozen=True)
class Collected:
    """The endpoint of a collector, and the files that it writes, one JSON message per line."""

    endpoint: str
    traces: Path
    metrics: Path


def spans(file):
    """All spans of a file of traces, as OTLP's JSON has them."""
    return [
        span
        for line in file.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]


def metric_names(file):
    """The names in a file of metrics."""
    return {
        metric["name"]
        for line in file.read_text().splitlines()
        for resource in json.loads(line)["resourceMetrics"]
        for scope in resource["scopeMetrics"]
        for metric in scope["metrics"]
    }


def program():
    """The collector, built from its Go modules the first time; nothing of Kubernetes is."""
    if not shutil.which("go") and os.environ.get("CI") != "true":
        pytest.skip("Go is not installed: the collector is built from its Go modules")
    return build.ensure("collector")


@contextmanager
def collecting(folder):
    """A collector whose files are whole when the context is closed."""
    program()
    traces, metrics = folder / "traces.json", folder / "metrics.json"
    with Collector(_configuration(traces, metrics), folder / "collector.log") as running:
        yield Collected(f"http://{running.address}", traces, metrics)


def _configuration(traces, metrics):
    pipeline = {"receivers": ["otlp"]}
    return {
        "exporters": {"file/traces": {"path": str(traces)}, "file/metrics": {"path": str(metrics)}, "debug": {}},
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {**pipeline, "exporters": ["file/traces", "debug"]},
                "metrics": {**pipeline, "exporters": ["file/metrics"]},
            },
        },
    }
