"""Logging: one pipeline for our own records and those of kopf, temporalio and aiohttp.

JSON when a machine reads, text on a terminal. Every record carries the incident and workflow it is about, and every
text in it passes `redact`, tracebacks included, because a library may log what it was given.
"""

import logging
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any, TextIO

import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from prunella_operator.observability import tracing
from prunella_workflows.model.redaction import MASK, names_secret, redact

# At info or debug these repeat, sometimes with whole request bodies, what we log ourselves.
_QUIET = ("kubernetes", "urllib3", "aiohttp.access", "asyncio", "httpx")
_EXTRAS = {
    "k8s_ref": ("namespace", "name"),
    "temporal_activity": ("workflow_id", "activity_type", "attempt"),
    "temporal_workflow": ("workflow_id", "run_id"),
}


def configure(log_format: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process to `stream` (default stderr); a later call replaces an earlier one."""
    out = stream or sys.stderr
    text = log_format == "text" or (log_format == "auto" and out.isatty())
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(_renderer(out) if text else structlog.processors.JSONRenderer()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_shared(), ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


@contextmanager
def about(**names: str) -> Iterator[None]:
    """Bind names, such as incident and workflow_id, to every record within this block."""
    with structlog.contextvars.bound_contextvars(**names):
        yield


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        add_trace,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
    ]


def _formatter(renderer: Processor) -> logging.Formatter:
    foreign: list[Processor] = [structlog.stdlib.ExtraAdder(allow=list(_EXTRAS)), flatten_extras]
    return ProcessorFormatter(
        foreign_pre_chain=[*_shared(), *foreign],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact_event,
            renderer,
        ],
    )


def _renderer(out: TextIO) -> Processor:
    return structlog.dev.ConsoleRenderer(
        colors=out.isatty(), timestamp_key="time", exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )


def add_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Add the trace of a record, so that its spans can be found from the log."""
    if (context := tracing.current()) is not None:
        event.setdefault("trace_id", context.trace_id)
    return event


def flatten_extras(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Move the object and workflow in records of kopf and temporalio to our own keys."""
    for extra, keys in _EXTRAS.items():
        context = event.pop(extra, None)
        if isinstance(context, dict):
            event.update({key: context[key] for key in keys if key in context and key not in event})
    return event


def redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> MutableMapping[str, Any]:
    """Redact every text of a record, at any depth; a key that names a secret hides its value."""
    return {key: _clean(value, key) for key, value in event.items()}


def _clean(value: object, key: str = "") -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, dict):
        return {name: _clean(item, str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item, key) for item in value]
    return MASK if names_secret(key) else redact(str(value))
