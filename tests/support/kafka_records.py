"""The records in Kafka's topics."""

from collections.abc import Iterator
from contextlib import closing

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from telemetrystack.kafka import PARTITIONS, Login


def consumer(address: str, login: Login | None = None) -> Consumer:
    """A client of the brokers; close it."""
    quiet = {"enable.auto.commit": False, "log_level": 0}
    return Consumer(
        {"bootstrap.servers": address, "group.id": "tests", **quiet, **(login.properties() if login else {})}
    )


def records(address: str, topic: str, login: Login | None = None) -> Iterator[Message]:
    """All records of a topic; fewer while Kafka does not answer."""
    partitions = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]
    with closing(consumer(address, login)) as client:
        try:
            bounds = [client.get_watermark_offsets(partition, timeout=5) for partition in partitions]
        except KafkaException:
            return
        client.assign(partitions)
        left = sum(end - start for start, end in bounds)
        while left > 0 and (found := client.consume(left, timeout=5)):
            left -= len(found)
            yield from (record for record in found if not record.error())


def items(address: str, namespace: str, login: Login | None = None) -> dict[str, int]:
    """The number of spans, points and log records that pods of a namespace have sent, by topic."""
    return {
        "otlp_spans": sum(
            len(scope.spans)
            for record in records(address, "otlp_spans", login)
            for one in ExportTraceServiceRequest.FromString(record.value()).resource_spans
            for scope in _of(one, one.scope_spans, namespace)
        ),
        "otlp_metrics": sum(
            len(metric.gauge.data_points) + len(metric.histogram.data_points)
            for record in records(address, "otlp_metrics", login)
            for one in ExportMetricsServiceRequest.FromString(record.value()).resource_metrics
            for scope in _of(one, one.scope_metrics, namespace)
            for metric in scope.metrics
        ),
        "otlp_logs": sum(
            len(scope.log_records)
            for record in records(address, "otlp_logs", login)
            for one in ExportLogsServiceRequest.FromString(record.value()).resource_logs
            for scope in _of(one, one.scope_logs, namespace)
        ),
    }


def _of(one, scopes, namespace):
    return scopes if any(each.value.string_value == namespace for each in one.resource.attributes) else ()
