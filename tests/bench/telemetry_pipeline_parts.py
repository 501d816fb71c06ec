"""Data and baseline of `telemetry_pipeline.py`."""

import time
from collections import Counter, defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded, and no part of the brain

from confluent_kafka import Consumer, TopicPartition
from localcluster.ports import free_ports
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from otlpload.generator import Generator
from otlpload.messages import Messages
from otlpload.metrics import Metrics
from otlpload.shop import Shop
from otlpload.totals import Totals
from telemetrydemo.processes import Temporal, Worker
from telemetrystack.collector import to_kafka
from telemetrystack.kafka import SIGNALS, Broker
from telemetrystack.postgresql import PostgreSQL

from prunella_operator.config.settings import Settings

TRACES_PER_SECOND = 250
SPAN_SHARE, POINT_SHARE, LOG_SHARE = 3, 1, 1
"""The mix of items, as in the totals of the first trials: 300,000 spans, 100,000 points and 100,000 log records."""
LEARN_SECONDS = 960


@dataclass
class Data:
    """Requests of OTLP, one per signal and second, and their counts."""

    traces: list
    metrics: list
    logs: list
    totals: Totals

    @property
    def requests(self):
        return [request for second in zip(self.traces, self.metrics, self.logs, strict=True) for request in second]


def generate(seconds, since):
    """Traces with their logs as the generator makes them; points and log records are added until the mix is right."""
    shop, random = Shop(), Random(7)
    generator, data = Generator(shop, TRACES_PER_SECOND), Data([], [], [], Totals())
    for second in range(since, since + seconds):
        load, messages = generator.second(second), Messages()
        messages.metrics, messages.logs = ExportMetricsServiceRequest(), ExportLogsServiceRequest()
        traces = next(one for one in load.requests if isinstance(one, ExportTraceServiceRequest))
        totals = Totals(
            spans=load.totals.spans, traces=load.totals.traces, requests=load.totals.requests, edges=load.totals.edges
        )
        totals.points = _add_points(shop, random, messages, second, totals.spans * POINT_SHARE // SPAN_SHARE)
        totals.logs = _add_logs(shop, random, messages, second, totals.spans * LOG_SHARE // SPAN_SHARE)
        data.traces.append(traces)
        data.metrics.append(messages.metrics)
        data.logs.append(messages.logs)
        data.totals += totals
    return data


def _add_points(shop, random, messages, second, number):
    metrics = Metrics(shop, random, None, messages)
    while metrics.points < number:
        metrics.add(second * 10**9 + metrics.points * 1000)
    return metrics.points


def _add_logs(shop, random, messages, second, number):
    services = list(shop.services.values())
    for count in range(number):
        service = random.choice(services)
        records = messages.logs_of(service, random.choice(service.pods)).log_records
        record = records.add(
            time_unix_nano=second * 10**9 + count * 1000,
            severity_number=SeverityNumber.SEVERITY_NUMBER_INFO,
            severity_text="INFO",
            trace_id=random.randbytes(16),
        )
        record.body.string_value = f"finished request {random.randrange(10**6)} of user {random.randrange(10**4)}"
    return number


def by_trace(requests):
    """The same spans, one record per trace of each second, as with `partition_traces_by_id`."""
    found = []
    for request in requests:
        parts = defaultdict(ExportTraceServiceRequest)
        for one in request.resource_spans:
            own = defaultdict(list)
            for span in (span for scope in one.scope_spans for span in scope.spans):
                own[span.trace_id].append(span)
            for trace, spans in own.items():
                added = parts[trace].resource_spans.add(resource=one.resource)
                added.scope_spans.add(spans=spans)
        found += parts.values()
    return found


@contextmanager
def stack(folder, *, keyed, partitions=4, shards=1):
    """Broker, Collector, database and Temporal; the settings that reach them, and a function that makes a worker."""
    with ExitStack() as parts:
        broker = parts.enter_context(Broker(folder / "kafka.log", partitions))
        broker.create_topics()
        collector = to_kafka(broker.address, folder / "collector.log")
        collector._configuration["exporters"]["kafka"]["partition_traces_by_id"] = keyed
        parts.enter_context(collector)
        database = parts.enter_context(PostgreSQL(folder / "postgresql.log"))
        (url := folder / "url").write_text(database.dsn)
        port, page = free_ports(2)
        settings = Settings(
            telemetry_kafka=(broker.address,),
            telemetry_database_url_file=str(url),
            telemetry_shards=shards,
            temporal_address=f"127.0.0.1:{port}",
            temporal_port=port,
            temporal_ui_port=page,
        )
        parts.enter_context(Temporal(settings, folder / "temporal.log"))

        def work():
            own = settings.model_copy(update={"http_port": free_ports(1)[0]})
            own.model_fields_set.add("http_port")
            return parts.enter_context(Worker(own, folder / "worker.log"))

        yield Parts(broker, collector, database, settings, work)


@dataclass
class Parts:
    """The running parts. `work` starts one more worker."""

    broker: Broker
    collector: object
    database: PostgreSQL
    settings: Settings
    work: object

    def stored(self):
        """The number of items that are stored."""
        return int(self.database.ask("SELECT coalesce(sum(items), 0) FROM telemetry_batch")[0][0])

    def sums(self):
        """The sums that are equal for any cut of the offsets."""
        queries = {
            "requests": "SELECT coalesce(sum(n), 0) FROM telemetry_red",
            "edges": "SELECT coalesce(sum(n), 0) FROM telemetry_edge",
            "points": "SELECT coalesce(sum(n), 0) FROM telemetry_point",
            "logs": "SELECT coalesce(sum(n), 0) FROM telemetry_log",
        }
        return {name: int(self.database.ask(query)[0][0]) for name, query in queries.items()}

    def wait(self, items, seconds=600):
        """Wait until so many items are stored."""
        end = time.monotonic() + seconds
        while (stored := self.stored()) < items:
            if time.monotonic() > end:
                raise TimeoutError(f"{stored} of {items} items are stored")
            time.sleep(0.5)


def walk(address, partitions):
    """The baseline: read the topics with the same client, parse with upb, and count RED and edges in plain Python.

    Nothing is stored, carried, or judged. Returns the number of items and the CPU seconds.
    """
    began, items = time.process_time(), 0
    for topic, count in zip(SIGNALS, (_walk_traces, _walk_metrics, _walk_logs), strict=True):
        items += count(list(_values(address, topic, partitions)))
    return items, time.process_time() - began


def _values(address, topic, partitions):
    client = Consumer({"bootstrap.servers": address, "group.id": "baseline", "enable.auto.commit": False})
    client.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    while found := client.consume(10_000, timeout=2):
        yield from (record.value() for record in found if not record.error())
    client.close()


def _walk_traces(values):
    red, errors, sums = Counter(), Counter(), Counter()
    spans, parents, items = {}, [], 0
    for value in values:
        for one in ExportTraceServiceRequest.FromString(value).resource_spans:
            names = {each.key: each.value.string_value for each in one.resource.attributes}
            service, pod = names.get("service.name"), names.get("k8s.pod.uid")
            for span in (span for scope in one.scope_spans for span in scope.spans):
                items += 1
                length, start = span.end_time_unix_nano - span.start_time_unix_nano, span.end_time_unix_nano // 10**10
                if span.kind in (2, 5):
                    key = service, span.name, pod, start
                    red[key] += 1
                    errors[key] += span.status.code == 2
                    sums[key] += length
                    parents.append((span.trace_id, span.parent_span_id, service, length))
                else:
                    peer = next(
                        (each.value.string_value for each in span.attributes if each.key == "server.address"), ""
                    )
                    spans[span.trace_id, span.span_id] = service, peer, length
    edges = Counter()
    for trace, parent, service, length in parents:
        if caller := spans.get((trace, parent)):
            edges[caller[0], service] += caller[2] - length
    return items


def _walk_metrics(values):
    found, items = Counter(), 0
    for value in values:
        for one in ExportMetricsServiceRequest.FromString(value).resource_metrics:
            names = {each.key: each.value.string_value for each in one.resource.attributes}
            for metric in (metric for scope in one.scope_metrics for metric in scope.metrics):
                for point in (*metric.gauge.data_points, *metric.histogram.data_points):
                    items += 1
                    total = point.sum if metric.HasField("histogram") else point.as_double
                    found[names.get("k8s.pod.uid"), metric.name, point.time_unix_nano // 10**10] += total
    return items


def _walk_logs(values):
    found, items = Counter(), 0
    for value in values:
        for one in ExportLogsServiceRequest.FromString(value).resource_logs:
            names = {each.key: each.value.string_value for each in one.resource.attributes}
            for record in (record for scope in one.scope_logs for record in scope.log_records):
                items += 1
                text = "".join("#" if letter.isdigit() else letter for letter in record.body.string_value)
                found[names.get("k8s.pod.uid"), record.severity_number, text, record.time_unix_nano // 10**10] += 1
    return items
