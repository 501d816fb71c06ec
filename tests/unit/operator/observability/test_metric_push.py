"""The metrics by OTLP: the same numbers arrive at a real gRPC receiver, and one that is away slows nothing."""

import os
import signal
import socket
import time
from contextlib import closing, contextmanager

import pytest
from fakes.otlp_receiver import receiving
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import InfoMetricFamily
from support.standalone import standalone_process

from prunella_operator.observability import metrics, outcomes, workflows
from prunella_operator.observability.metric_push import InvalidVariable, MetricPush
from prunella_operator.observability.sending import sends

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
OFTEN = {"OTEL_METRIC_EXPORT_INTERVAL": "50"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def receiver():
    with receiving() as collector:
        yield collector


@contextmanager
def pushing(address, registry=REGISTRY, environment=OFTEN):
    push = MetricPush("prunella", OTLPMetricExporter(endpoint=address, insecure=True), registry, environment)
    try:
        yield push
    finally:
        push.stop()


def labelled(point):
    return {attribute.key: attribute.value.string_value for attribute in point.attributes}


def test_the_names_that_temporal_users_know(receiver):
    queue = "dotted-names"
    workflows.count("run-1", "SelfHealing", queue, "started", 0.0)
    workflows.count("run-1", "SelfHealing", queue, "completed", 2.0)
    workflows.count("run-2", "SelfHealing", queue, "failed", 0.2)
    with pytest.raises(ValueError, match="no"), workflows._measure("repair", queue, 2):
        raise ValueError("no")
    with pushing(receiver.address):
        _, sent = receiver.next()

    def ours(name):
        metric = sent[name]
        points = metric.sum.data_points or metric.histogram.data_points
        return next(point for point in points if labelled(point)["task_queue"] == queue)

    names = ("workflow.started", "workflow.completed", "workflow.failed", "activity.started", "activity.failed")
    assert [ours(f"temporal.{name}").as_double for name in names] == [1.0] * 5
    assert ours("temporal.activity.retries").as_double == 1.0
    assert labelled(ours("temporal.workflow.started")) == {"workflow_type": "SelfHealing", "task_queue": queue}
    assert sent["temporal.workflow.started"].sum.is_monotonic
    duration = ours("temporal.workflow.duration")
    assert (sent["temporal.workflow.duration"].unit, duration.count, duration.sum) == ("ms", 2, 2200.0)
    assert sent["temporal.activity.duration"].unit == "ms"
    assert not [name for name in sent if name.startswith(("temporal_workflow", "temporal_activity"))]


def test_everything_that_metrics_shows_is_sent(receiver):
    metrics.READY.labels("pods").set(1)
    metrics.SIGNALS.labels("pods", "OOMKilled", "opened").inc()
    outcomes.STAGES.labels("heal").observe(20)
    with pushing(receiver.address):
        _, sent = receiver.next()
    shown = {metric.name for metric in REGISTRY.collect() if metric.samples and metric.name.startswith("prunella_")}
    assert {"prunella_signals", "prunella_stage_seconds", "prunella_ready"} <= shown
    assert shown - set(sent) == set()


def test_values_kinds_and_units(receiver):
    registry = CollectorRegistry()
    Counter("prunella_a", "How many.", ["kind"], registry=registry).labels("x").inc(3)
    Gauge("prunella_b", "How much.", registry=registry).set(2.5)
    histogram = Histogram("prunella_c_seconds", "How long.", buckets=(1, 5), registry=registry)
    for value in (0.5, 0.7, 3, 100):
        histogram.observe(value)
    registry.register(type("Info", (), {"collect": lambda _: [InfoMetricFamily("prunella_d", "No number.")]})())
    with pushing(receiver.address, registry):
        _, sent = receiver.next()
    assert set(sent) == {"prunella_a", "prunella_b", "prunella_c_seconds"}
    (counted,) = sent["prunella_a"].sum.data_points
    assert (counted.as_double, labelled(counted)) == (3.0, {"kind": "x"})
    assert 0 < counted.start_time_unix_nano <= counted.time_unix_nano
    assert sent["prunella_a"].description == "How many."
    assert sent["prunella_b"].gauge.data_points[0].as_double == 2.5
    (spread,) = sent["prunella_c_seconds"].histogram.data_points
    assert (list(spread.bucket_counts), list(spread.explicit_bounds)) == ([2, 1, 1], [1.0, 5.0])
    assert (spread.count, spread.sum, spread.HasField("min")) == (4, 104.2, False)
    assert sent["prunella_c_seconds"].unit == "s"


def test_the_last_values_are_sent_at_the_end(receiver):
    registry = CollectorRegistry()
    counter = Counter("prunella_a", "How many.", registry=registry)
    with pushing(receiver.address, registry, {}):
        counter.inc(7)
    _, sent = receiver.next()
    assert sent["prunella_a"].sum.data_points[0].as_double == 7.0


def test_the_process_says_who_it_is(receiver, monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "healer")
    with pushing(receiver.address, CollectorRegistry()):
        pass
    attributes, _ = receiver.next()
    assert attributes["service.name"] == "healer"
    assert attributes["service.instance.id"] == f"{socket.gethostname()}-{os.getpid()}"
    assert attributes["deployment.environment"] == "test"


@pytest.mark.parametrize("signal_name", ["traces", "metrics"])
@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({ENDPOINT: "http://c:4317"}, True),
        ({ENDPOINT: ""}, False),
        ({"OTEL_EXPORTER_OTLP_{}_ENDPOINT": "http://c:4317"}, True),
        ({"OTEL_{}_EXPORTER": "otlp"}, False),
        ({ENDPOINT: "http://c:4317", "OTEL_{}_EXPORTER": "none"}, False),
        ({ENDPOINT: "http://c:4317", "OTEL_{}_EXPORTER": ""}, True),
        ({ENDPOINT: "http://c:4317", "OTEL_{}_EXPORTER": "console, otlp"}, True),
        ({ENDPOINT: "http://c:4317", "OTEL_SDK_DISABLED": "TRUE"}, False),
    ],
)
def test_the_standard_variables_turn_it_on_and_off(signal_name, environment, wanted):
    given = {name.format(signal_name.upper()): value for name, value in environment.items()}
    assert sends(signal_name, given) is wanted
    if any("{}" in name for name in environment) and wanted and ENDPOINT not in environment:
        assert not sends("traces" if signal_name == "metrics" else "metrics", given), "of its own signal alone"


@pytest.mark.parametrize("text", ["often", "-1", "0", "1.5"])
def test_an_interval_that_is_no_time(text):
    with pytest.raises(InvalidVariable, match="OTEL_METRIC_EXPORT_INTERVAL"):
        MetricPush("prunella", environment={"OTEL_METRIC_EXPORT_INTERVAL": text})


@contextmanager
def closed_port():
    """An address where nothing listens."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


@contextmanager
def silence():
    """A collector that takes connections and never answers."""
    with closing(socket.socket()) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(8)
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


@pytest.mark.parametrize("collector", [closed_port, silence])
def test_a_collector_that_is_away_slows_nothing(collector):
    registry = CollectorRegistry()
    counter = Counter("prunella_a", "How many.", registry=registry)
    with collector() as address:
        push = MetricPush("prunella", OTLPMetricExporter(endpoint=address, insecure=True), registry, OFTEN)
        time.sleep(0.3)  # it is in the middle of its attempts now
        began = time.thread_time()
        for _ in range(1000):
            counter.inc()
        assert time.thread_time() - began < 0.5
        before = time.monotonic()
        push.stop()
        assert time.monotonic() - before < 10  # two seconds, and what a busy machine adds


@pytest.mark.parametrize("part", ["operator", "worker"])
def test_operator_and_worker_send_theirs(receiver, tmp_path, part):
    variables = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": receiver.address}
    with standalone_process(part, tmp_path, **OFTEN, **variables) as running:
        attributes, sent = receiver.next(within=50)
        assert attributes["service.name"] == "prunella"
        assert "process_cpu_seconds" in sent
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(40) == 0, running.log.read_text()
