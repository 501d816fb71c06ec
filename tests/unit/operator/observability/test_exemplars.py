"""From a measured value to its trace: exemplars, in the one format that carries them."""

import pytest
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan

from prunella_operator.observability import metrics, tracing
from prunella_operator.runtime.health_endpoints import build_app
from prunella_workflows.model.trace_context import TraceContext

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


@pytest.fixture(params=["01", "00"], ids=["recorded", "not recorded"])
def flags(request):
    span = NonRecordingSpan(tracing.span_context(TraceContext(TRACE, "00f067aa0ba902b7", request.param)))
    token = context.attach(trace.set_span_in_context(span))
    yield request.param
    context.detach(token)


def test_without_a_trace_there_is_none():
    assert tracing.exemplar() is None


async def test_a_value_leads_to_its_trace_if_that_is_recorded(flags):
    assert tracing.exemplar() == ({"trace_id": TRACE} if flags == "01" else None)


async def test_open_metrics_shows_it_and_the_plain_format_does_not():
    metrics.OPENING.observe(0.02, {"trace_id": TRACE})
    async with TestClient(TestServer(build_app(dict))) as client:
        plain = await client.get("/metrics")
        rich = await client.get("/metrics", headers={"Accept": OPEN_METRICS})
        assert plain.content_type == "text/plain"
        assert TRACE not in await plain.text()
        assert rich.content_type == "application/openmetrics-text"
        text = await rich.text()
    assert 'prunella_incident_opening_seconds_bucket{le="0.025"} ' in text
    assert f'# {{trace_id="{TRACE}"}} 0.02' in text
    assert text.endswith("# EOF\n")
