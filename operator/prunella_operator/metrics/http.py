"""One HTTP call to Prometheus, bounded in time and size, and what its answer means."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests

from prunella_operator import clock
from prunella_operator.observability import tracing

_CHUNK = 65536
_LARGEST = 8 << 20  # bytes of an answer; a check or a workload needs a few thousand
_CONNECT_AT_MOST = 2.0  # seconds
_POST = "POST"


class TooSlow(Exception):
    """The answer came, but not all of it in time."""


class TooLarge(Exception):
    """The answer is larger than anything we ask for."""


@dataclass(frozen=True)
class Answered:
    """An answer read to its end, as the Prometheus client wants it."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        """The decoded body.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self.content)


class BoundedSession(requests.Session):
    """A session for one call. What is not a setting does not count: neither proxies nor passwords of the environment.

    It follows no redirect, for the token is meant for one server. The last answer stays in `answered`, because the
    Prometheus client hands out the result alone, without status and warnings.
    """

    def __init__(self, seconds: float, ca_file: str | None) -> None:
        super().__init__()
        self.trust_env = False
        self.verify = ca_file or True
        self.answered: Answered | None = None
        self._seconds = seconds

    def request(  # type: ignore[override]  # the Prometheus client names all its arguments and uses the three of Answered
        self, method: str, url: str, params: Mapping[str, str] | None = None, **options: Any
    ) -> Answered:
        """Ask and read the whole answer. A POST carries the parameters in its body, for URLs may not be long.

        Raises:
            requests.RequestException: nobody answered.
            TooSlow, TooLarge: the answer was not read to its end.
        """
        end = clock.monotonic() + self._seconds
        placed = {"data": params} if method == _POST else {"params": params}
        limits = {"timeout": (min(self._seconds, _CONNECT_AT_MOST), self._seconds)}
        bounds = {**options, **placed, **limits, "stream": True, "allow_redirects": False}
        with tracing.request("prometheus", method, urlsplit(url).path) as traced:
            bounds["headers"] = {**(options.get("headers") or {}), **traced.headers}
            with super().request(method, url, **bounds) as response:
                traced.answered(response.status_code)
                self.answered = Answered(response.status_code, b"".join(_read(response.raw, end)))
        return self.answered


def _read(raw: Any, end: float) -> Iterator[bytes]:
    """The body, piece by piece as it comes; urllib3's response carries no types here."""
    size = 0
    while chunk := raw.read1(_CHUNK, decode_content=True):
        size += len(chunk)
        if size > _LARGEST:
            raise TooLarge
        if clock.monotonic() > end:
            raise TooSlow
        yield chunk
