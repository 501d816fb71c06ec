"""A batch from Kafka to the database, with a real broker and a real PostgreSQL."""

import pytest
from support import otlp

from prunella_operator import clock

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def now():
    return int(clock.now().timestamp() * 1e9)


async def test_what_was_sent_is_what_is_stored(pipe):
    end = now()
    pipe.send("traces", otlp.traces(100, end, failed=("stock",)))
    pipe.send("metrics", otlp.metrics(end))
    pipe.send("logs", otlp.logs(end, [f"order {number} failed: password=hunter2" for number in range(20)]))
    batch, stored = await pipe.pump()
    assert {taken.signal for taken in batch.ranges} == {"traces", "metrics", "logs"}
    assert batch.judged
    assert not stored.already
    red = await pipe.ask(
        "SELECT service, sum(n), sum(errors), sum(own_errors) FROM telemetry_red GROUP BY 1 ORDER BY 1"
    )
    assert red == [("cart", 100, 0, 0), ("stock", 100, 100, 100), ("web", 100, 0, 0)]
    edges = await pipe.ask(
        "SELECT caller, callee, sum(n), sum(errors), sum(lost) FROM telemetry_edge GROUP BY 1, 2 ORDER BY 1"
    )
    assert edges == [("cart", "stock", 100, 100, 0), ("web", "cart", 100, 0, 0)]
    assert await pipe.ask("SELECT DISTINCT severity, pattern, n FROM telemetry_log") == [
        ("ERROR", "order # failed: password=***", 20)
    ]
    points = await pipe.ask("SELECT metric, sum(n), sum(total) FROM telemetry_point GROUP BY 1 ORDER BY 1")
    assert points == [
        ("http.server.duration", 3, 6.0),
        ("k8s.pod.cpu_limit_utilization", 3, 1.5),
        ("k8s.pod.memory_limit_utilization", 3, 1.5),
    ]
    assert await pipe.ask("SELECT count(*) FROM telemetry_stage") == [(0,)]
    assert await pipe.ask("SELECT items, dead, late, judged FROM telemetry_batch") == [(529, 0, 0, True)]
