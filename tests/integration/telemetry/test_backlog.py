"""A replayed backlog in which a service fails: it is stored, and tells nobody."""

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlpload.faults import Fault, FaultKind
from otlpload.generator import Generator
from otlpload.shop import Shop

from prunella_operator import clock

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
SIGNALS = {
    ExportTraceServiceRequest: "traces",
    ExportMetricsServiceRequest: "metrics",
    ExportLogsServiceRequest: "logs",
}
PART = 240


async def test_an_old_fault_is_stored_and_not_told(pipe):
    now, generator = int(clock.now().timestamp()), Generator(Shop(), rate=10)

    async def alerts(since, until, stamp=0):
        """The alerts of a batch of these seconds ago, with records of a time in ms; 0: now."""
        requests = [one for ago in range(since, until, -1) for one in generator.second(now - ago).requests]
        for signal in SIGNALS.values():
            values = [one.SerializeToString() for one in requests if SIGNALS[type(one)] == signal]
            pipe.send(signal, values, stamp=stamp)
        batch = await pipe.fetch()
        _, detected = await pipe.process(batch)
        await pipe.run("store", batch)
        return batch.judged, detected.alerts

    for since in range(1300 + 4 * PART, 1300, -PART):
        assert await alerts(since, since - PART) == (True, ())
    generator.switch_on(Fault(FaultKind.ERRORS, "payment"))
    assert await alerts(1300, 1200, stamp=(now - 1200) * 1000) == (False, ())
    generator.switch_off()
    assert await alerts(120, 60) == (True, ())
    assert await pipe.ask("SELECT count(*) FROM telemetry_anomaly") == [(0,)]
    assert (await pipe.ask("SELECT sum(errors) > 50 FROM telemetry_red WHERE service = 'payment'")) == [(True,)]
    generator.switch_on(Fault(FaultKind.ERRORS, "payment"))
    judged, found = await alerts(60, 0)
    assert judged
    assert "payment" in {alert.labels.get("deployment") for alert in found}
