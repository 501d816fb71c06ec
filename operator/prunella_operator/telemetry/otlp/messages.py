"""The parts of OTLP's messages that are read, as descriptors of our own, with OTLP's field numbers.

The full descriptors are recursive (AnyValue), which Arrow cannot represent. Resources and span attributes stay bytes:
protobuf encodes a message and a byte string alike, and few of them have to be looked into.
"""

from typing import Any

import ptars
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

from prunella_workflows.contracts.telemetry import TelemetrySignal

_PACKAGE = "prunella.otlp"
_BYTES, _STRING, _MESSAGE = (getattr(FieldDescriptorProto, f"TYPE_{name}") for name in ("BYTES", "STRING", "MESSAGE"))
_INT32, _DOUBLE = FieldDescriptorProto.TYPE_INT32, FieldDescriptorProto.TYPE_DOUBLE
_FIXED64, _SFIXED64 = FieldDescriptorProto.TYPE_FIXED64, FieldDescriptorProto.TYPE_SFIXED64

Field = tuple[str, int, int | str]
"""Name, number, and a scalar type or the name of a message. A name that ends with * is repeated."""

_MESSAGES: dict[str, tuple[Field, ...]] = {
    "Status": (("code", 3, _INT32),),
    "Span": (
        ("trace_id", 1, _BYTES),
        ("span_id", 2, _BYTES),
        ("parent_id", 4, _BYTES),
        ("name", 5, _STRING),
        ("role", 6, _INT32),
        ("start", 7, _FIXED64),
        ("end", 8, _FIXED64),
        ("attributes*", 9, _BYTES),
        ("status", 15, "Status"),
    ),
    "ScopeSpans": (("items*", 2, "Span"),),
    "ResourceSpans": (("resource", 1, _BYTES), ("scopes*", 2, "ScopeSpans")),
    "Traces": (("resources*", 1, "ResourceSpans"),),
    "Number": (("time", 3, _FIXED64), ("as_double", 4, _DOUBLE), ("as_int", 6, _SFIXED64)),
    "Numbers": (("points*", 1, "Number"),),
    "Histogram": (
        ("time", 3, _FIXED64),
        ("count", 4, _FIXED64),
        ("sum", 5, _DOUBLE),
        ("min", 11, _DOUBLE),
        ("max", 12, _DOUBLE),
    ),
    "Histograms": (("points*", 1, "Histogram"),),
    "Exponential": (
        ("time", 3, _FIXED64),
        ("count", 4, _FIXED64),
        ("sum", 5, _DOUBLE),
        ("min", 12, _DOUBLE),
        ("max", 13, _DOUBLE),
    ),
    "Exponentials": (("points*", 1, "Exponential"),),
    "Metric": (
        ("name", 1, _STRING),
        ("gauge", 5, "Numbers"),
        ("sum", 7, "Numbers"),
        ("histogram", 9, "Histograms"),
        ("exponential", 10, "Exponentials"),
    ),
    "ScopeMetrics": (("items*", 2, "Metric"),),
    "ResourceMetrics": (("resource", 1, _BYTES), ("scopes*", 2, "ScopeMetrics")),
    "Metrics": (("resources*", 1, "ResourceMetrics"),),
    "Body": (("text", 1, _STRING),),
    "Record": (
        ("time", 1, _FIXED64),
        ("severity", 2, _INT32),
        ("severity_text", 3, _STRING),
        ("body", 5, "Body"),
        ("trace_id", 9, _BYTES),
        ("observed", 11, _FIXED64),
    ),
    "ScopeLogs": (("items*", 2, "Record"),),
    "ResourceLogs": (("resource", 1, _BYTES), ("scopes*", 2, "ScopeLogs")),
    "Logs": (("resources*", 1, "ResourceLogs"),),
}
_ROOTS = {TelemetrySignal.TRACES: "Traces", TelemetrySignal.METRICS: "Metrics", TelemetrySignal.LOGS: "Logs"}


def _file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="prunella/otlp.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            repeated = (
                FieldDescriptorProto.LABEL_REPEATED if field.endswith("*") else FieldDescriptorProto.LABEL_OPTIONAL
            )
            added = message.field.add(name=field.rstrip("*"), number=number, label=repeated)
            if isinstance(kind, str):
                added.type, added.type_name = _MESSAGE, f".{_PACKAGE}.{kind}"
            else:
                added.type = kind  # type: ignore[assignment]  # an int of the enumeration
    return file


def _handlers() -> dict[TelemetrySignal, Any]:
    pool = DescriptorPool()
    pool.Add(_file())
    messages = {signal: pool.FindMessageTypeByName(f"{_PACKAGE}.{root}") for signal, root in _ROOTS.items()}
    handlers = ptars.HandlerPool([message.file for message in messages.values()][:1])
    return {signal: handlers.get_for_message(message) for signal, message in messages.items()}


HANDLERS = _handlers()
"""By signal: `list_to_record_batch` turns the values of records into a record batch, or raises ValueError."""
