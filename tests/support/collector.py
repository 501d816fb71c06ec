"""A real OpenTelemetry Collector: it takes OTLP over gRPC, and writes what it got into files that tests read."""

import json
import os
import shutil
import subprocess
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from localcluster import build
from support.prunella import free_ports

_START_WITHIN = 60


@dataclass(frozen=True)
class Collector:
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
    """A collector on a free port; its files are whole when the context is closed."""
    port = free_ports(1)[0]
    collector = Collector(f"http://127.0.0.1:{port}", folder / "traces.json", folder / "metrics.json")
    config, log = folder / "collector.json", folder / "collector.log"
    config.write_text(json.dumps(_configuration(collector, port)))
    with log.open("w") as words:
        process = subprocess.Popen([program(), "--config", config], stdout=words, stderr=words)
    try:
        _wait(process, log)
        yield collector
    finally:
        process.terminate()
        process.wait(20)


def _configuration(collector, port):
    pipeline = {"receivers": ["otlp"]}
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {
            "file/traces": {"path": str(collector.traces)},
            "file/metrics": {"path": str(collector.metrics)},
            "debug": {},
        },
        "service": {
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {**pipeline, "exporters": ["file/traces", "debug"]},
                "metrics": {**pipeline, "exporters": ["file/metrics"]},
            },
        },
    }


def _wait(process, log):
    deadline = time.monotonic() + _START_WITHIN
    while "Everything is ready" not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
