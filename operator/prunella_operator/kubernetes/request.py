"""One request to the API server, independent of the transport: its parts, tracing, metrics, errors and paging.

It must import neither the official client, which the operator cannot afford, nor aiohttp.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self, TypeVar

from msgspec import Raw
from msgspec.json import Decoder

from prunella_operator.kubernetes.decoding import Page, Undecodable, decode, read_status
from prunella_operator.kubernetes.paths import check_path
from prunella_operator.kubernetes.startup_denials import READY, DenialFilter
from prunella_operator.observability import metrics, tracing
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound, PrunellaError, Refused, Unavailable
from prunella_workflows.model.redaction import redact

T = TypeVar("T")

_PAGE_SIZE = 500  # objects
_PAGE = Decoder(Page)
_REDIRECT, _SERVER_ERROR = 300, 500
_ERRORS: dict[int, type[PrunellaError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}
# Retryable although below 500: request timeout, expired list, too early, too many requests.
_RETRYABLE = frozenset({408, 410, 425, 429})


class AlreadyExists(Conflict):
    """An object of that name exists already; for a create that may be repeated, this is success."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Raises NotFound for a path that no object can have."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    body: object = None
    content_type: str = ""
    accept: str = "application/json, */*"

    def __post_init__(self) -> None:
        check_path(self.path)

    @classmethod
    def first_page(cls, path: str, params: Mapping[str, str] | None = None) -> Self:
        """The request for the first page of a collection."""
        return cls("GET", path, {"limit": str(_PAGE_SIZE), **(params or {})})

    def next_page(self, page: Page) -> Self | None:
        """The request for the page after this one, if any."""
        token = page.metadata.continue_
        return replace(self, params={**self.params, "continue": token}) if token else None


class Response(NamedTuple):
    """A complete response."""

    status: int
    body: bytes
    headers: Mapping[str, str]

    def check(self) -> Self:
        """Return the response. Raises the error that its status stands for."""
        if self.status >= _REDIRECT:
            raise to_error(self.status, self.body)
        return self

    def page(self) -> Page:
        """A page, its items not yet decoded. Raises Unavailable for anything else."""
        return decode_response(self.body, _PAGE)


READINESS = Request("GET", READY)


def decode_response(data: bytes | Raw, decoder: Decoder[T]) -> T:
    """The decoded data. Raises Unavailable when it is malformed."""
    try:
        return decode(decoder, data)
    except Undecodable as error:
        raise Unavailable(f"the API server's answer cannot be read: {error}") from error


def to_error(code: int, body: bytes) -> PrunellaError:
    """The error for a response of the API server. Its message may quote values of a pod spec, so it is redacted."""
    status = read_status(body, code)
    kind = _ERRORS.get(code, Refused)
    if code >= _SERVER_ERROR or code in _RETRYABLE:
        kind = Unavailable
    elif kind is Conflict and status.reason == "AlreadyExists":
        kind = AlreadyExists
    return kind(redact(status.message) or f"the API server answered {code}")


class Attempt:
    """One request under way: the headers to send, and its completion."""

    def __init__(self, request: Request, call: tracing.Call) -> None:
        self._method = request.method
        self._call = call
        content_type = {"Content-Type": request.content_type} if request.content_type else {}
        self.headers = {"Accept": request.accept, **content_type, **call.headers}

    def complete(self, status: int, body: bytes, headers: Mapping[str, str]) -> Response:
        """Record the response."""
        self._call.answered(status)
        metrics.API_REQUESTS.labels(self._method, str(status)).inc()
        return Response(status, body, headers)


class RequestMonitor:
    """Traces and counts the requests of one client, and remembers outages of its API server."""

    def __init__(self, server: str, *transport_errors: type[Exception]) -> None:
        self.denials = DenialFilter()
        self._server = server
        self._transport_errors = transport_errors

    @contextmanager
    def attempt(self, request: Request) -> Iterator[Attempt]:
        """Send one request in this context. Raises Unavailable for an error of the transport."""
        with tracing.request("kubernetes", request.method, request.path) as call:
            try:
                yield Attempt(request, call)
            except self._transport_errors as error:
                self.denials.record_outage()
                metrics.API_REQUESTS.labels(request.method, "none").inc()
                cause = getattr(error, "reason", None) or str(error) or type(error).__name__
                message = f"{request.method} {request.path}: the API server {self._server} does not answer: "
                raise Unavailable(message + redact(str(cause))) from None
