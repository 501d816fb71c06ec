"""The parts around the telemetry pipeline, for real: what the Collector has taken reaches Kafka, whatever is killed."""

import secrets
from collections import defaultdict

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlpload.generator import Generator
from otlpload.sender import Sender
from otlpload.shop import Shop
from otlpload.totals import Totals
from support import kafka_records, programs
from support.api import until
from telemetrystack.collector import to_kafka
from telemetrystack.kafka import DEAD, PARTITIONS, SIGNALS, Broker
from telemetrystack.postgresql import PostgreSQL

# The first time jars are fetched and the Collector is built.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]
SPANS = SIGNALS[0]


@pytest.fixture(scope="module")
def broker():
    programs.kafka()
    with Broker() as running:
        running.create_topics()
        yield running


@pytest.fixture
def collector(broker):
    programs.program("collector")
    with to_kafka(broker.address) as running:
        yield running


def test_the_topics_are_made_once(broker):
    broker.create_topics()
    topics = kafka_records.consumer(broker.address).list_topics(timeout=10).topics
    assert {name: len(topics[name].partitions) for name in (*SIGNALS, DEAD)} == {
        **dict.fromkeys(SIGNALS, PARTITIONS),
        DEAD: 1,
    }


def test_a_trace_is_in_one_partition_and_traces_are_in_many(broker, collector):
    sent = _send(collector, traces=40, requests=3)
    found = until(lambda: _partitions(broker, sent, records=120), 20, "all records are in Kafka")
    assert all(len(set(where)) == 1 for where in found.values())
    assert len({where[0] for where in found.values()}) > PARTITIONS / 2


def test_all_that_the_generator_sends_arrives(broker, collector):
    generator, sender = Generator(Shop(namespace="counted"), rate=200), Sender(collector.address)
    loads = [generator.second(1_700_000_000 + number) for number in range(20)]
    for request in (request for load in loads for request in load.requests):
        sender.send(request)
    sender.close()
    total = sum((load.totals for load in loads), Totals())
    expected = {"otlp_spans": total.spans, "otlp_metrics": total.points, "otlp_logs": total.logs}
    assert until(
        lambda: (found := kafka_records.items(broker.address, "counted")) == expected and found,
        30,
        f"{expected} in Kafka",
    )


def test_a_killed_broker_comes_back_with_its_records(broker, collector):
    sent = _send(collector, traces=20)
    until(lambda: _partitions(broker, sent, records=20), 20, "all records are in Kafka")
    broker.kill()
    broker.start()
    assert until(lambda: _partitions(broker, sent, records=20), 30, "all records are there again")


def test_a_killed_collector_sends_what_it_had_taken_while_kafka_was_away(broker, collector):
    broker.kill()
    sent = _send(collector, traces=20)
    collector.kill()
    broker.start()
    collector.start()
    assert until(lambda: _partitions(broker, sent, records=20), 60, "all records are in Kafka")


def test_a_killed_database_comes_back_with_what_was_committed():
    programs.postgresql()
    with PostgreSQL() as database:
        database.ask("CREATE TABLE kept AS SELECT generate_series(1, 1000) AS number")
        for end in (database.kill, database.crash, database.stop):
            end()
            database.start()
            assert database.ask("SELECT count(*) FROM kept") == [["1000"]]


def _send(collector, traces, requests=1):
    """Send spans of so many new traces, each in so many requests; return the ids of the traces."""
    ids, sender = [secrets.token_bytes(16) for _ in range(traces)], Sender(collector.address)
    for _ in range(requests):
        request = ExportTraceServiceRequest()
        scope = request.resource_spans.add().scope_spans.add()
        for trace in ids:
            scope.spans.add(trace_id=trace, span_id=secrets.token_bytes(8), name="GET /")
        sender.send(request)
    sender.close()
    return ids


def _partitions(broker, traces, records):
    """The partitions of each trace's records; None as long as there are fewer records."""
    found = defaultdict(list)
    for record in kafka_records.records(broker.address, SPANS):
        sent = ExportTraceServiceRequest.FromString(record.value())
        for trace in {
            span.trace_id for one in sent.resource_spans for scope in one.scope_spans for span in scope.spans
        }:
            found[trace].append(record.partition())
    mine = {trace: found[trace] for trace in traces}
    return mine if sum(map(len, mine.values())) >= records else None
