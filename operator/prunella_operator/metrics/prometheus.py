"""Prometheus over prometheus-api-client. Each query has its own session: it is thread-safe, and rereads the token.

It never retries: callers poll anyway. Every failure becomes a `NoData` with our own message, because the libraries'
errors may quote headers, and with them the token.
"""

import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import urllib3
from prometheus_api_client.exceptions import PrometheusApiClientException
from prometheus_api_client.prometheus_connect import PrometheusConnect

from prunella_operator import clock
from prunella_operator.metrics.http import BoundedSession, CompleteResponse, ResponseTimeout, ResponseTooLarge
from prunella_operator.metrics.port import Found, default_step
from prunella_workflows.model.measurement import Answer, NoData, Reading, Series, Why
from prunella_workflows.model.redaction import redact

STALE_AFTER = timedelta(minutes=2)
"""The age above which a sample does not count as current."""

_MAX_GET_LENGTH = 4000  # characters of a query; proxies refuse long URLs
_MAX_MESSAGE_LENGTH = 200  # characters
_TIMED_OUT = frozenset({"timeout", "canceled"})
_CREDENTIALS = frozenset({401, 403})
_OK, _REDIRECT, _BAD, _BUSY, _SERVER_ERROR, _GATEWAY_TIMEOUT = 200, 300, 400, 429, 500, 504


class UnreadableFile(Exception):
    """A configured file cannot be used."""


class Prometheus:
    """A Prometheus, or another server with its API. `timeout` is in seconds; files are read for each query."""

    def __init__(self, url: str, timeout: float, *, token_file: str | None = None, ca_file: str | None = None) -> None:
        self._url = url
        self._timeout = timeout
        self._token_file = Path(token_file).expanduser() if token_file else None
        self._ca_file = str(Path(ca_file).expanduser()) if ca_file else None

    def value(self, query: str) -> Answer:
        """See the port."""
        found = self.vector(query)
        if isinstance(found, NoData):
            return found
        if len(found) > 1:
            return NoData(why=Why.SEVERAL, message=f"the query returns {len(found)} series instead of one number")
        reading = found[0].last
        if math.isnan(reading.value):
            return NoData(why=Why.NOT_A_NUMBER, message="the query returns NaN")
        age = clock.now() - reading.at
        if age > STALE_AFTER:
            return NoData(why=Why.STALE, message=f"the newest value is {age.total_seconds():.0f} s old")
        return reading

    def vector(self, query: str) -> Found:
        """See the port. Versions of Prometheus that support it leave out stale samples themselves."""
        params = {**self._limits, "lookback_delta": f"{STALE_AFTER.total_seconds():.0f}s"}
        return self._query(query, lambda client: client.custom_query(query, params=params))

    def series(self, query: str, start: datetime, end: datetime, step: float | None = None) -> Found:
        """See the port."""
        interval = f"{step or default_step(start, end):g}"
        limits = self._limits
        return self._query(query, lambda client: client.custom_query_range(query, start, end, interval, params=limits))

    @property
    def _limits(self) -> dict[str, str]:
        """The timeout, so that Prometheus gives up when we do."""
        return {"timeout": f"{self._timeout:g}s"}

    def _query(self, query: str, send: Callable[[PrometheusConnect], Any]) -> Found:
        with BoundedSession(self._timeout, self._ca_file) as session:
            try:
                result = send(self._client(query, session))
                warnings = _warnings(session.last_response)
            except UnreadableFile as error:
                return NoData(why=Why.REFUSED, message=str(error))
            except PrometheusApiClientException:
                return _response_error(session.last_response)
            except (ResponseTimeout, requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
                return NoData(why=Why.SLOW, message=f"Prometheus did not answer within {self._timeout:g} s")
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                return NoData(why=Why.UNREACHABLE, message=f"Prometheus cannot be reached: {_cause(error)}")
            except (ResponseTooLarge, LookupError, TypeError, ValueError, AttributeError):
                return NoData(why=Why.UNREADABLE, message="the response is not one of the Prometheus API")
        return NoData(why=Why.PARTIAL, message=f"Prometheus warns: {warnings}") if warnings else _parse_result(result)

    def _client(self, query: str, session: BoundedSession) -> PrometheusConnect:
        return PrometheusConnect(
            self._url,
            headers=self._headers(),
            retry=urllib3.Retry(total=0, read=False),  # False, so that a read timeout is raised as one
            session=session,
            method="POST" if len(query) > _MAX_GET_LENGTH else "GET",
        )

    def _headers(self) -> dict[str, str]:
        if self._ca_file is not None:
            _content(Path(self._ca_file), "prometheus_ca_file")
        if self._token_file is None:
            return {}
        return {"Authorization": f"Bearer {_content(self._token_file, 'prometheus_token_file')}"}


def _content(file: Path, setting: str) -> str:
    try:
        text = file.read_text().strip()
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"{setting} cannot be read: {_cause(error)}") from None
    if not text:
        raise UnreadableFile(f"{setting} is empty")
    return text


def _parse_result(result: Any) -> Found:
    """The series of a result: a vector, a matrix, or a scalar."""
    try:
        scalar = len(result) > 0 and isinstance(result[0], int | float)
        series = [_parse_series(raw) for raw in ([{"value": result}] if scalar else result)]
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, OSError):
        return NoData(why=Why.UNREADABLE, message="the response contains values that are not numbers")
    found = tuple(parsed for parsed in series if parsed.readings)
    return found or NoData(why=Why.EMPTY, message="the query returns no series")


def _parse_series(raw: Mapping[str, Any]) -> Series:
    pairs = raw["values"] if "values" in raw else [raw["value"]]
    readings = tuple(Reading(value=float(value), at=datetime.fromtimestamp(at, UTC)) for at, value in pairs)
    return Series(labels=dict(raw.get("metric") or {}), readings=readings)


def _warnings(response: CompleteResponse | None) -> str:
    body = response.json() if response is not None else {}
    return "; ".join(_shorten(warning) for warning in body.get("warnings") or ())


def _response_error(response: CompleteResponse | None) -> NoData:
    """The meaning of a status other than 200."""
    assert response is not None, "the client raises this only after a response"
    code, (kind, message) = response.status_code, _error(response)
    if kind in _TIMED_OUT or code == _GATEWAY_TIMEOUT:
        return NoData(why=Why.SLOW, message=f"Prometheus timed out on the query ({code})")
    if code >= _SERVER_ERROR or code == _BUSY:
        return NoData(why=Why.UNREACHABLE, message=f"Prometheus is unavailable ({code})")
    if code in _CREDENTIALS:
        return NoData(
            why=Why.REFUSED, message=f"Prometheus refuses our credentials ({code}): see prometheus_token_file"
        )
    if _REDIRECT <= code < _BAD:
        return NoData(why=Why.REFUSED, message=f"prometheus_url redirects ({code}): set the final address")
    return NoData(why=Why.REFUSED, message=f"Prometheus rejects the query ({code}): {message or 'no reason given'}")


def _error(response: CompleteResponse) -> tuple[str, str]:
    """The type and message of a Prometheus error; empty for the error of a proxy."""
    try:
        body = response.json()
        return str(body["errorType"]), _shorten(body["error"])
    except (LookupError, TypeError, ValueError):
        return "", ""


def _shorten(text: object) -> str:
    return redact(str(text))[:_MAX_MESSAGE_LENGTH]


def _cause(error: BaseException | None) -> str:
    """The operating system's message for the root cause; never the error's own, which may quote the token."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        inner = getattr(error, "reason", None) or next((arg for arg in error.args if isinstance(arg, Exception)), None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    messages = [cause.strerror for cause in seen if isinstance(cause, OSError) and cause.strerror]
    return messages[-1] if messages else type(seen[-1]).__name__
