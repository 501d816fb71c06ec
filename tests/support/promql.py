"""Metrics that a query names, and those that exist: ours by the registry, those of Temporal's core by its library."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import REGISTRY
from temporalio import bridge

from prunella_operator.observability.core import PREFIX

_NO_NAMES = re.compile(r'"[^"]*"|\{[^}]*\}|\[[^\]]*\]')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_NAME = re.compile(r"(?<![\w$.])[a-zA-Z_:][\w:]*\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "offset", "bool", "inf", "nan"}
_SUFFIXES = {
    "counter": ("_total", "_created"),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count", "_created"),
    "info": ("_info",),
}
MODULES = (
    "observability.metrics",
    "observability.outcomes",
    "observability.workflows",
    "temporal.backlog",
    "telemetry.gauges",
)

OF_OTHERS = {  # Prometheus itself, and cAdvisor
    "up",
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_oom_events_total",
    "container_spec_memory_limit_bytes",
    "container_start_time_seconds",
}


def metrics_of(query: str) -> set[str]:
    """The metrics that a query names."""
    bare = _GROUPING.sub(" ", _NO_NAMES.sub(" ", query))
    return {name for name in _NAME.findall(bare) if name not in _WORDS}


def registered() -> set[str]:
    """The series of everything that this process can expose."""
    for module in MODULES:
        importlib.import_module(f"prunella_operator.{module}")
    for module in ("metrics", "oldest"):  # of the example, which has a dashboard and an alert too
        importlib.import_module(f"prunella_orders.{module}")
    return {f"{metric.name}{suffix}" for metric in REGISTRY.collect() for suffix in _SUFFIXES[metric.type]}


def of_temporals_core(name: str) -> bool:
    """Check that the library of Temporal's SDK has this metric; ours has a prefix, and a suffix by its kind."""
    bare = re.sub(r"(_total|_seconds_(bucket|sum|count))?$", "", name.removeprefix(PREFIX), count=1)
    return name.startswith(PREFIX) and any(bare.encode() in library for library in _libraries())


def unknown(query: str) -> set[str]:
    """The metrics of a query that no process exposes."""
    known = registered() | OF_OTHERS
    return {name for name in metrics_of(query) if name not in known and not of_temporals_core(name)}


_LIBRARIES: list[bytes] = []


def _libraries() -> Iterator[bytes]:
    if not _LIBRARIES:
        folder = Path(next(iter(bridge.__path__)))
        _LIBRARIES.extend(path.read_bytes() for path in folder.glob("temporal_sdk_bridge*") if path.suffix != ".pyi")
    return iter(_LIBRARIES)
