"""Decoding into columns, against protobuf's own decoder as the oracle."""

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from prunella_operator.telemetry.otlp.decode import decode
from prunella_workflows.contracts.telemetry import TelemetrySignal

TEXT = st.text(max_size=8)
UINT = st.integers(0, 2**64 - 1)
FIELDS = ("trace_id", "span_id", "parent_id", "name", "role", "start", "end")


@st.composite
def requests(draw):
    request = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 3))):
        sent = request.resource_spans.add(schema_url=draw(TEXT))
        for key in draw(st.lists(TEXT, max_size=3)):
            sent.resource.attributes.add(key=key).value.array_value.values.add().string_value = draw(TEXT)
        for _ in range(draw(st.integers(0, 2))):
            scope = sent.scope_spans.add()
            scope.scope.name = draw(TEXT)
            for _ in range(draw(st.integers(0, 3))):
                span = scope.spans.add(
                    trace_id=draw(st.binary(max_size=16)),
                    span_id=draw(st.binary(max_size=8)),
                    parent_span_id=draw(st.binary(max_size=8)),
                    name=draw(TEXT),
                    kind=draw(st.integers(0, 5)),
                    start_time_unix_nano=draw(UINT),
                    end_time_unix_nano=draw(UINT),
                    trace_state=draw(TEXT),
                )
                span.attributes.add(key=draw(TEXT)).value.double_value = 1.5
                span.events.add(name=draw(TEXT))
                span.links.add(trace_id=draw(st.binary(max_size=16)))
                if draw(st.booleans()):
                    span.status.code = draw(st.integers(0, 2))
    return request


def walk(number, request):
    for sent in request.resource_spans:
        for scope in sent.scope_spans:
            for span in scope.spans:
                names = (span.trace_id, span.span_id, span.parent_span_id, span.name, span.kind)
                times = (span.start_time_unix_nano, span.end_time_unix_nano)
                attributes = [pair.SerializeToString() for pair in span.attributes]
                resource = sent.resource.SerializeToString()
                yield (number, resource, *names, *times, span.status.code, attributes)


@given(st.lists(requests(), max_size=4))
@settings(max_examples=50, deadline=None)
def test_columns_hold_what_protobufs_decoder_reads(sent):
    decoded = decode(TelemetrySignal.TRACES, [request.SerializeToString() for request in sent])
    rows = [
        (
            record,
            decoded.resources[resource],
            *(item[name] for name in FIELDS),
            (item["status"] or {"code": 0})["code"],
            item["attributes"],
        )
        for record, resource, item in zip(
            decoded.record.to_pylist(), decoded.resource.to_pylist(), decoded.items.to_pylist(), strict=True
        )
    ]
    assert rows == [row for number, request in enumerate(sent) for row in walk(number, request)]


@given(st.lists(st.binary(max_size=60), max_size=8))
@settings(max_examples=100, deadline=None)
def test_bytes_of_any_kind_are_decoded_or_dead(values):
    for signal in TelemetrySignal:
        decoded = decode(signal, values)
        assert decoded.dead.keys() <= set(range(len(values)))
        assert len(decoded.items) == len(decoded.record) == len(decoded.resource)
