"""The parts that all HTTP services here share: errors that name the field, spans, and measures of each route."""

import time
from collections.abc import Mapping
from typing import TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ValidationError

from prunella_operator.observability import tracing
from prunella_orders import metrics
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.trace_context import TraceContext

M = TypeVar("M", bound=BaseModel)

_UNTRACED = ("/healthz", "/readyz", "/metrics")


class ApiError(Exception):
    """An answer to a request that cannot be served: the fields at fault, each with the reason."""

    def __init__(self, status: int, fields: Mapping[str, str]) -> None:
        super().__init__(str(fields))
        self.status, self.fields = status, fields


async def read(request: web.Request, model: type[M]) -> M:
    """Read the body of a request.

    Raises:
        ApiError: it is no JSON, or a field is invalid.
    """
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        fields = {".".join(map(str, fault["loc"])) or "body": fault["msg"] for fault in faults}
        raise ApiError(400 if faults[0]["type"] == "json_invalid" else 422, fields) from error


def idempotency_key(request: web.Request) -> str:
    """The Idempotency-Key of a request. Raises ApiError without one."""
    key = request.headers.get("Idempotency-Key", "")
    if not 1 <= len(key) <= 200:  # noqa: PLR2004 - the column's size
        raise ApiError(400, {"Idempotency-Key": "this header is required, with 1 to 200 characters"})
    return key


@web.middleware
async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count and time the request, in a span that continues the trace of the caller."""
    resource = request.match_info.route.resource
    route = f"{request.method} {resource.canonical if resource else 'unknown'}"
    if request.path in _UNTRACED:
        return await handler(request)
    began, code = time.monotonic(), 500
    parent = TraceContext.parse(request.headers.get("traceparent", ""))
    try:
        with tracing.span(route, {}, parent=parent, kind=SpanKind.SERVER) as span:
            response = await handler(request)
            code = response.status
            span.set_attribute("http.response.status_code", code)
            return response
    finally:
        metrics.REQUESTS.labels(route, code).inc()
        metrics.REQUEST_SECONDS.labels(route).observe(time.monotonic() - began, tracing.exemplar())


@web.middleware
async def explained(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer errors as JSON: 4xx with the fields at fault, 503 while something that is needed is away."""
    try:
        return await handler(request)
    except ApiError as error:
        return _answer(error.status, error.fields)
    except Unavailable as error:
        return _answer(503, {"": f"try again: {error}"})
    except web.HTTPException as error:
        return _answer(error.status, {"": error.reason})


def _answer(status: int, fields: Mapping[str, str]) -> web.Response:
    faults = [{"field": field, "message": message} for field, message in fields.items()]
    return web.json_response({"errors": faults}, status=status)
