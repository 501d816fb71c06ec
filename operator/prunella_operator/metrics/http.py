"""One HTTP request to Prometheus, bounded in time and size."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from prunella_operator import clock
from prunella_operator.observability import tracing

_CHUNK_BYTES = 65536
_MAX_BODY_BYTES = 8 << 20  # a check or a workload needs a few thousand
_CONNECT_TIMEOUT_SECONDS = 2.0


class ResponseTimeout(Exception):
    """The response began, but did not complete in time."""


class ResponseTooLarge(Exception):
    """The response is larger than any legitimate one."""


@dataclass(frozen=True)
class CompleteResponse:
    """A complete response, with the attributes that the Prometheus client uses."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        """The decoded body. Raises ValueError if it is not JSON."""
        return json.loads(self.content)


class BoundedSession(requests.Session):
    """A session for one request. Only settings count: proxies and passwords of the environment are ignored.

    It follows no redirects, because the token is meant for one server. The response is kept in `last_response`, because
    the Prometheus client returns only the result, without status and warnings.
    """

    def __init__(self, seconds: float, ca_file: str | None) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = ca_file or True
        self.last_response: CompleteResponse | None = None
        self._seconds = seconds

    def request(  # type: ignore[override]  # the Prometheus client names all arguments, and uses only what is here
        self, method: str, url: str, params: Mapping[str, str] | None = None, **options: Any
    ) -> CompleteResponse:
        """Send the request and read the whole response. A POST has its parameters in the body: URLs are limited.

        Raises requests.RequestException without one, ResponseTimeout or ResponseTooLarge if it is not read to its end.
        """
        deadline = clock.monotonic() + self._seconds
        placed = {"data": params} if method == "POST" else {"params": params}
        limits = {"timeout": (min(self._seconds, _CONNECT_TIMEOUT_SECONDS), self._seconds)}
        bounds = {**options, **placed, **limits, "stream": True, "allow_redirects": False}
        with tracing.request("prometheus", method, urlsplit(url).path) as traced:
            bounds["headers"] = {**(options.get("headers") or {}), **traced.headers}
            with super().request(method, url, **bounds) as response:
                traced.answered(response.status_code)
                self.last_response = CompleteResponse(response.status_code, b"".join(_read(response.raw, deadline)))
        return self.last_response


def _read(raw: Any, deadline: float) -> Iterator[bytes]:
    """The body in chunks as they arrive; urllib3's response carries no types here."""
    size = 0
    while chunk := raw.read1(_CHUNK_BYTES, decode_content=True):
        size += len(chunk)
        if size > _MAX_BODY_BYTES:
            raise ResponseTooLarge
        if clock.monotonic() > deadline:
            raise ResponseTimeout
        yield chunk
