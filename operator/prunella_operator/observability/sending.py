"""Whether traces and metrics are sent: OpenTelemetry's standard variables decide. Does not import its SDK."""

import os
from collections.abc import Mapping
from typing import Literal

Signal = Literal["traces", "metrics"]


def sends(signal: Signal, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether a signal is to be sent by OTLP.

    An endpoint turns it on. OTEL_TRACES_EXPORTER or OTEL_METRICS_EXPORTER without `otlp` in it, such as `none`, and
    OTEL_SDK_DISABLED turn it off again.
    """
    kind = signal.upper()
    exporters = environment.get(f"OTEL_{kind}_EXPORTER") or "otlp"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{kind}_ENDPOINT")
    return (
        any(environment.get(endpoint) for endpoint in endpoints)
        and "otlp" in exporters.replace(" ", "").split(",")
        and environment.get("OTEL_SDK_DISABLED", "").lower() != "true"
    )
