"""The switch of traces and metrics: OpenTelemetry's standard variables. Does not import its SDK."""

import os
from collections.abc import Mapping
from typing import Literal

Signal = Literal["traces", "metrics"]


def sends(signal: Signal, environment: Mapping[str, str] = os.environ) -> bool:
    """True when a signal is to be sent by OTLP: an endpoint is set, and no other standard variable turns it off."""
    kind = signal.upper()
    exporters = environment.get(f"OTEL_{kind}_EXPORTER") or "otlp"
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{kind}_ENDPOINT")
    return (
        any(environment.get(endpoint) for endpoint in endpoints)
        and "otlp" in exporters.replace(" ", "").split(",")
        and environment.get("OTEL_SDK_DISABLED", "").lower() != "true"
    )
