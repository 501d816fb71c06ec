"""Each call of another system has its own span in the caller's trace, and sends the trace context along."""

import pytest
from builders import NOW
from fakes.httpd import Answer, Httpd
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NonRecordingSpan, SpanKind, StatusCode, use_span
from support import spans

from prunella_operator.activities.alerts.alertmanager import Alertmanager
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.metrics.prometheus import Prometheus
from prunella_operator.observability import tracing
from prunella_operator.observability.resource import resource
from prunella_workflows.model.alert import Alert, AlertStatus
from prunella_workflows.model.errors import NotFound, Unavailable
from prunella_workflows.model.trace_context import TraceContext

ALERT = Alert(fingerprint="f", status=AlertStatus.FIRING, labels={"alertname": "WebIsDown"}, starts_at=NOW)
RECORDED = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
NOT_RECORDED = TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "00")


@pytest.fixture
def root():
    """A span that is under way."""
    spans.traces()
    spans.EXPORTER.clear()
    with tracing.span("root", {}) as made:
        yield made
    spans.EXPORTER.clear()


@pytest.fixture
def httpd():
    with Httpd() as server:
        yield server


def kube(server):
    return SyncClient(Access(server=server.url, authorization=lambda: ""))


def test_a_call_is_a_span_below_the_one_under_way_and_says_so_to_the_other_side(root, httpd):
    kube(httpd).call("GET", "/api/v1/namespaces/shop")
    (span,), context = spans.named("kubernetes GET"), root.get_span_context()
    assert (span.kind, span.parent, span.status.status_code) == (SpanKind.CLIENT, context, StatusCode.UNSET)
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "url.path": "/api/v1/namespaces/shop",
        "http.response.status_code": 200,
    }
    assert 0 < span.start_time <= span.end_time
    said = httpd.asked[0].headers["Traceparent"]
    assert said == f"00-{context.trace_id:032x}-{span.context.span_id:016x}-{context.trace_flags:02x}"


def test_an_answer_that_is_an_error_is_one_in_the_trace(root, httpd):
    httpd.failures.append(Answer(404))
    with pytest.raises(NotFound):
        kube(httpd).get("/api/v1/namespaces/shop")
    (span,) = spans.named("kubernetes GET")
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "HTTP 404")


def test_a_call_that_nobody_answers_has_its_reason(root, httpd):
    httpd.failures.append(Answer(0))
    with pytest.raises(Unavailable):
        kube(httpd).get("/api/v1/namespaces/shop")
    (span,) = spans.named("kubernetes GET")
    assert (span.status.status_code, [event.name for event in span.events]) == (StatusCode.ERROR, ["exception"])
    assert "127.0.0.1" in spans.named("kubernetes GET")[0].status.description, "our own words are kept"


def test_the_words_of_a_library_do_not_get_out(root):
    with pytest.raises(ValueError, match="canary"), tracing.Call("prometheus GET", {}):
        raise ValueError("invalid header value: 'Bearer canary'")
    (span,) = spans.named("prometheus GET")
    assert span.status.description.startswith("ValueError: ")
    assert "canary" not in f"{span.status.description} {dict(span.events[0].attributes)}"


def test_a_task_is_the_parent_of_what_is_called_in_it(root, httpd):
    with tracing.Task("activity:diagnose", {"attempt": 1}, RECORDED):
        kube(httpd).get("/api/v1/namespaces/shop")
    (task,), (call,) = spans.named("activity:diagnose"), spans.named("kubernetes GET")
    assert (task.parent, call.parent) == (tracing.span_context(RECORDED), task.context)
    assert (task.kind, task.status.status_code, dict(task.attributes)) == (
        SpanKind.INTERNAL,
        StatusCode.OK,
        {"attempt": 1},
    )
    assert task.start_time <= call.start_time <= call.end_time <= task.end_time
    assert tracing.current().trace_id == f"{root.get_span_context().trace_id:032x}", "it is under way no more"


def test_a_task_that_fails_says_why_without_secrets(root):
    with pytest.raises(ValueError, match="canary"), tracing.Task("activity:diagnose", {}, RECORDED):
        raise ValueError("refused: password=canary")
    (span,) = spans.named("activity:diagnose")
    assert span.status.description.startswith("ValueError: refused")
    assert "canary" not in f"{span.status.description} {dict(span.events[0].attributes)}"


def test_what_the_sampler_here_drops_is_dropped_below_it_too(root, httpd, monkeypatch):
    monkeypatch.setattr(trace.get_tracer_provider(), "sampler", ALWAYS_OFF)
    with tracing.Task("activity:diagnose", {}, RECORDED):
        kube(httpd).get("/api/v1/namespaces/shop")
    assert httpd.asked[0].headers["Traceparent"] == f"00-{RECORDED.trace_id}-{RECORDED.span_id}-00"
    assert spans.EXPORTER.get_finished_spans() == ()


def test_where_nothing_is_recorded_the_span_above_stays_the_parent(httpd, monkeypatch):
    """Tracing is off here, and on where the trace came from."""
    monkeypatch.setattr(tracing, "_keepers", [])
    span = NonRecordingSpan(tracing.span_context(RECORDED))
    with use_span(span):
        kube(httpd).get("/api/v1/namespaces/shop")
    assert httpd.asked[0].headers["Traceparent"] == str(RECORDED)


@pytest.mark.parametrize("parent", [None, NOT_RECORDED], ids=["no trace", "not recorded"])
def test_nothing_is_kept_of_what_is_not_traced(httpd, parent):
    spans.traces()
    spans.EXPORTER.clear()
    if parent is None:
        kube(httpd).get("/api/v1/namespaces/shop")
        assert "Traceparent" not in httpd.asked[0].headers
    else:
        with tracing.span("root", {}, parent=parent):
            kube(httpd).get("/api/v1/namespaces/shop")
        assert httpd.asked[0].headers["Traceparent"].startswith(f"00-{NOT_RECORDED.trace_id}-")
        assert httpd.asked[0].headers["Traceparent"].endswith("-00")
    assert spans.EXPORTER.get_finished_spans() == ()


def test_prometheus_and_alertmanager_are_called_in_the_trace(root, httpd):
    Prometheus(httpd.url, 2).value("up")
    httpd.answer = lambda _asked: Answer(body=[])
    assert Alertmanager(httpd.url).is_firing(ALERT) is False
    paths = {span.name: span.attributes["url.path"] for span in spans.EXPORTER.get_finished_spans()}
    assert paths == {"prometheus GET": "/api/v1/query", "alertmanager GET": "/alerts"}
    assert all("Traceparent" in request.headers for request in httpd.asked)


def test_who_sends_is_the_same_to_the_sdk_however_often_it_is_hashed():
    ours = resource("prunella")
    plain = Resource(ours.attributes, ours.schema_url)
    assert (ours, hash(ours), hash(ours)) == (plain, hash(plain), hash(plain))
