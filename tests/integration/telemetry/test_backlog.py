"""A replayed backlog in which a service fails: it is stored, and no one is alerted."""

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlpload.faults import Fault, FaultKind
from otlpload.generator import Generator
from otlpload.shop import Shop

from prunella_operator import clock
from prunella_workflows.model.alert import AlertStatus

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]
SIGNALS = {
    ExportTraceServiceRequest: "traces",
    ExportMetricsServiceRequest: "metrics",
    ExportLogsServiceRequest: "logs",
}
PART = 240


async def test_an_old_fault_is_stored_and_not_told(pipe):
    """Its records waited in a Collector, so that they are new to Kafka. What still fails afterwards causes an alert."""
    now, generator = int(clock.now().timestamp()), Generator(Shop(), rate=10)

    async def firing(since, until):
        """The services of alerts that fire after a batch of these seconds ago."""
        requests = [one for ago in range(since, until, -1) for one in generator.second(now - ago).requests]
        for kind, signal in SIGNALS.items():
            pipe.send(signal, [one.SerializeToString() for one in requests if isinstance(one, kind)])
        batch = await pipe.fetch()
        _, detected = await pipe.process(batch)
        await pipe.run("store", batch)
        assert batch.judged
        return {alert.labels["deployment"] for alert in detected.alerts if alert.status is AlertStatus.FIRING}

    for since in range(800 + 4 * PART, 800, -PART):
        assert not await firing(since, since - PART)
    generator.switch_on(Fault(FaultKind.ERRORS, "payment"))
    assert not await firing(800, 560)
    assert ("payment", "ErrorRate") in await pipe.ask("SELECT service, kind FROM telemetry_anomaly")
    assert not await firing(560, 320)
    assert "payment" in await firing(120, 0)
