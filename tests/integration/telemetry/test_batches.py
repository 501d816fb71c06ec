"""A batch from Kafka to the database, with a real broker and a real PostgreSQL."""

import json

import polars as pl
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from support import otlp
from support.api import until

from prunella_operator import clock
from prunella_operator.telemetry.store import stage
from prunella_workflows.model.telemetry_policy import DEFAULTS

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


async def test_a_batch_that_is_stored_again_changes_nothing(pipe):
    pipe.send("traces", otlp.traces(20, now()))
    batch, _ = await pipe.pump()
    before = await pipe.ask("SELECT sum(n) FROM telemetry_red")
    assert (await pipe.run("store", batch)).already
    await pipe.process(batch)
    assert (await pipe.run("store", batch)).already
    await pipe.run("dashboard", batch)
    assert await pipe.ask("SELECT sum(n) FROM telemetry_red") == before == [(60,)]
    assert not (await pipe.fetch()).ranges


async def test_of_two_batches_with_the_same_records_one_is_stored(pipe):
    """As when partitions move to another shard while a batch of the first one is processed."""
    pipe.send("traces", otlp.traces(20, now()))
    first = await pipe.fetch()
    await pipe.process(first)
    pipe.send("traces", otlp.traces(10, now(), seed=2))
    second = await pipe.fetch()
    await pipe.process(second)
    assert not (await pipe.run("store", second)).already
    assert (await pipe.run("store", first)).already
    assert await pipe.ask("SELECT sum(n) FROM telemetry_red") == [(90,)]


async def test_shards_share_the_partitions_and_lose_nothing(pipe):
    pipe.send("traces", otlp.traces(200, now(), per_request=1))
    batches = [await pipe.pump(shard, shards=2) for shard in (0, 1)]
    taken = [{part.partition for part in batch.ranges} for batch, _ in batches]
    assert taken == [{0, 2}, {1, 3}]
    assert await pipe.ask("SELECT sum(n) FROM telemetry_red") == [(600,)]


async def test_minutes_have_the_sums_of_the_windows_of_all_batches(pipe):
    for seed in range(3):
        pipe.send("traces", otlp.traces(20, now() - seed * 70 * otlp.SECOND, failed=("stock",), seed=seed))
        batch, _ = await pipe.pump()
        assert (await pipe.run("store", batch)).already
    sums = "SELECT service, sum(n), sum(errors), sum(own_errors), round(sum(sum_ms)) FROM {} GROUP BY 1 ORDER BY 1"
    cells = "SELECT service, bucket, sum(count) FROM {}, unnest(buckets, counts) AS of(bucket, count) GROUP BY 1, 2"
    cells += " ORDER BY 1, 2"
    for query in (sums, cells):
        expected = await pipe.ask(query.format("telemetry_red"))
        assert expected == await pipe.ask(query.format("telemetry_red_minute"))
    repeated = "SELECT count(*) FROM telemetry_red_minute GROUP BY ts, service, op, template HAVING count(*) > 1"
    assert await pipe.ask(repeated) == []
    assert await pipe.ask("SELECT count(*) FROM telemetry_red_minute WHERE ts <> date_trunc('minute', ts)") == [(0,)]


async def test_shards_have_minutes_of_their_own_that_add_up(pipe):
    pipe.send("traces", otlp.traces(200, now(), per_request=1))
    for shard in (0, 1):
        await pipe.pump(shard, shards=2)
    found = await pipe.ask("SELECT shard, sum(n) > 0 FROM telemetry_red_minute GROUP BY 1 ORDER BY 1")
    assert found == [(0, True), (1, True)]
    assert await pipe.ask("SELECT sum(n) FROM telemetry_red_minute") == [(600,)]


async def test_a_signal_that_was_not_processed_comes_again(pipe):
    pipe.send("traces", otlp.traces(10, now()))
    pipe.send("logs", otlp.logs(now(), ["timeout"]))
    batch = await pipe.fetch()
    await pipe.run("process_logs", batch)
    await pipe.run("correlate", batch)
    await pipe.run("detect", batch)
    await pipe.run("store", batch)
    assert await pipe.ask("SELECT sum(n) FROM telemetry_log") == [(1,)]
    again, _ = await pipe.pump()
    assert {taken.signal for taken in again.ranges} == {"traces"}
    assert await pipe.ask("SELECT sum(n) FROM telemetry_red") == [(30,)]


async def test_dead_letters_are_kept_with_place_and_error(pipe, broker):
    pipe.send("traces", [b"no otlp", *otlp.traces(10, now())], partition=1)
    await pipe.process(batch := await pipe.fetch())
    await pipe.run("process_traces", batch)
    ((key, value, headers),) = {
        record.key(): (record.key(), record.value(), record.headers()) for record in read_dead(pipe, broker)
    }.values()
    assert (key.decode(), value) == (f"{pipe.settings.telemetry_traces_topic}/1/0", b"no otlp")
    assert [(name, b"ValueError" in text) for name, text in headers] == [("error", True)]
    await pipe.run("store", batch)
    assert await pipe.ask("SELECT dead, items FROM telemetry_batch") == [(1, 50)]


async def test_a_backlog_is_stored_and_not_judged(pipe):
    old = now() - 3600 * otlp.SECOND
    pipe.send("traces", otlp.traces(10, old), stamp=old // 10**6)
    pipe.send("traces", otlp.traces(10, now(), seed=2))
    batch, _ = await pipe.pump()
    assert not batch.judged
    assert batch.lag == 3600
    assert await pipe.ask("SELECT sum(n) FROM telemetry_red") == [(60,)]
    assert await pipe.ask("SELECT count(*) FROM telemetry_state WHERE name = 'detector'") == [(0,)]
    pipe.send("traces", otlp.traces(10, now(), seed=3))
    assert (await pipe.pump())[0].judged
    assert await pipe.ask("SELECT count(*) FROM telemetry_state WHERE name = 'detector'") == [(1,)]


async def test_edges_of_halves_in_different_batches_are_found(pipe):
    end = now()
    whole = ExportTraceServiceRequest.FromString(otlp.traces(10, end, failed=("stock",))[0])
    for service in ("stock", "cart", "web"):
        part = ExportTraceServiceRequest()
        for sent in whole.resource_spans:
            if sent.resource.attributes[0].value.string_value == service:
                part.resource_spans.append(sent)
        pipe.send("traces", [part.SerializeToString()])
        await pipe.pump()
    edges = await pipe.ask("SELECT caller, callee, sum(n), sum(errors) FROM telemetry_edge GROUP BY 1, 2 ORDER BY 1")
    assert edges == [("cart", "stock", 10, 10), ("web", "cart", 10, 0)]
    own = await pipe.ask("SELECT service, sum(own_errors) FROM telemetry_red GROUP BY 1 HAVING sum(own_errors) <> 0")
    assert own == [("stock", 10)]


async def test_a_topic_that_is_created_again_begins_at_its_first_record(pipe, broker):
    pipe.send("logs", otlp.logs(now(), ["a"]) * 8, partition=0)
    await pipe.pump()
    admin, topic = AdminClient({"bootstrap.servers": broker.address}), pipe.settings.telemetry_logs_topic
    admin.delete_topics([topic])[topic].result()
    assert not (await pipe.fetch()).ranges
    until(lambda: topic not in admin.list_topics().topics, 10, "the topic is gone")
    until(lambda: admin.create_topics([NewTopic(topic, 4, 1)])[topic].exception() is None, 10, "it is there again")
    pipe.send("logs", otlp.logs(now(), ["b"]), partition=0)
    await pipe.pump()
    assert await pipe.ask("SELECT pattern, sum(n) FROM telemetry_log GROUP BY 1 ORDER BY 1") == [("a", 8), ("b", 1)]


async def test_the_services_now_are_those_of_the_last_minute(pipe):
    pipe.send("traces", otlp.traces(40, now() - 40 * otlp.SECOND, failed=("stock",)))
    pipe.send("traces", otlp.traces(1, now(), services=("late",)))
    await pipe.pump()
    rows = await pipe.ask(
        "SELECT service, state, requests, error_share, p95_ms BETWEEN 9 AND 11 FROM telemetry_now "
        "WHERE service <> 'late' ORDER BY 1"
    )
    assert rows == [
        ("cart", "Learning", 40, 0, False),
        ("stock", "Learning", 40, 1, True),
        ("web", "Learning", 40, 0, False),
    ]


def read_dead(pipe, broker):
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "tests"})
    consumer.assign([TopicPartition(pipe.settings.telemetry_dead_topic, number, 0) for number in range(4)])
    found = consumer.consume(10, timeout=2)
    consumer.close()
    return [record for record in found if record.error() is None]


async def test_a_carry_of_another_version_is_dropped(pipe):
    pipe.send("traces", otlp.traces(10, now()))
    await pipe.pump()
    old = stage.pack(pl.DataFrame({"trace": ["of another form"]}))
    await pipe.ask("UPDATE telemetry_state SET body = $1 WHERE name LIKE 'carry.%'", old)
    pipe.send("traces", otlp.traces(10, now(), seed=2))
    assert not (await pipe.pump())[1].already


async def test_windows_wait_for_late_data_as_long_as_the_policy_says(pipe):
    pipe.send("traces", otlp.traces(1, now()))
    patient = DEFAULTS.model_copy(update={"lateness": 100.0})
    batch = (await pipe.fetch()).model_copy(update={"parameters": patient})
    await pipe.process(batch)
    await pipe.run("store", batch)
    [(age,)] = await pipe.ask("SELECT extract(epoch FROM now() - watermark) FROM telemetry_watermark")
    [(state,)] = await pipe.ask("SELECT body FROM telemetry_state WHERE name = 'detector'")
    assert age > 95
    assert now() / otlp.SECOND - json.loads(state)["readTo"] > 95
