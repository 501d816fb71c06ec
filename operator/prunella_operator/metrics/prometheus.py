"""Prometheus over prometheus-api-client. One session for one call: thread-safe, and the token is read anew each time.

It never tries twice: the caller looks again anyway. Whatever goes wrong becomes a `NoData` in our own words, because
the libraries' errors may quote headers, and with them the token.
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
from prunella_operator.metrics.http import Answered, BoundedSession, TooLarge, TooSlow
from prunella_operator.metrics.port import step_of
from prunella_workflows.model.measurement import Answer, NoData, Reading, Series, Why
from prunella_workflows.model.redaction import redact

STALE_AFTER = timedelta(minutes=2)
"""A sample older than this says nothing about now."""

_GET_AT_MOST = 4000  # characters of a query; proxies in between refuse long URLs
_WORDS = 200
_TIMED_OUT = frozenset({"timeout", "canceled"})
_CREDENTIALS = frozenset({401, 403})
_OK, _REDIRECT, _BAD, _BUSY, _SERVER_ERROR, _GATEWAY_TIMEOUT = 200, 300, 400, 429, 500, 504

Ask = Callable[[PrometheusConnect], Any]


class NotReadable(Exception):
    """A file that a setting names cannot be used."""


class Prometheus:
    """One Prometheus, or what speaks its API. `timeout` is in seconds; files are read at each call."""

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
            return NoData(why=Why.SEVERAL, message=f"the query gives {len(found)} series, not one number")
        reading = found[0].last
        if math.isnan(reading.value):
            return NoData(why=Why.NOT_A_NUMBER, message="the query gives NaN")
        age = clock.now() - reading.at
        if age > STALE_AFTER:
            return NoData(why=Why.STALE, message=f"the newest value is {age.total_seconds():.0f} s old")
        return reading

    def vector(self, query: str) -> tuple[Series, ...] | NoData:
        """See the port. Prometheus itself leaves out samples that are stale to us, where it knows how to."""
        params = {**self._limits, "lookback_delta": f"{STALE_AFTER.total_seconds():.0f}s"}
        return self._asked(query, lambda client: client.custom_query(query, params=params))

    def series(
        self, query: str, start: datetime, end: datetime, step: float | None = None
    ) -> tuple[Series, ...] | NoData:
        """See the port."""
        every = f"{step or step_of(start, end):g}"
        return self._asked(
            query, lambda client: client.custom_query_range(query, start, end, every, params=dict(self._limits))
        )

    @property
    def _limits(self) -> Mapping[str, str]:
        """Prometheus gives up when we do."""
        return {"timeout": f"{self._timeout:g}s"}

    def _asked(self, query: str, ask: Ask) -> tuple[Series, ...] | NoData:
        with BoundedSession(self._timeout, self._ca_file) as session:
            try:
                result = ask(self._client(query, session))
                warnings = _warnings(session.answered)
            except NotReadable as error:
                return NoData(why=Why.REFUSED, message=str(error))
            except PrometheusApiClientException:
                return _refusal(session.answered)
            except (TooSlow, requests.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
                return NoData(why=Why.SLOW, message=f"Prometheus did not answer within {self._timeout:g} s")
            except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
                return NoData(why=Why.UNREACHABLE, message=f"Prometheus cannot be reached: {_cause(error)}")
            except (TooLarge, LookupError, TypeError, ValueError, AttributeError):
                return NoData(why=Why.UNREADABLE, message="the answer is not one of Prometheus's API")
        return NoData(why=Why.PARTIAL, message=f"Prometheus warns: {warnings}") if warnings else _parsed(result)

    def _client(self, query: str, session: BoundedSession) -> PrometheusConnect:
        return PrometheusConnect(
            self._url,
            headers=self._headers(),
            retry=urllib3.Retry(total=0, read=False),  # False: a time-out stays known as one
            session=session,
            method="POST" if len(query) > _GET_AT_MOST else "GET",
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
        raise NotReadable(f"{setting} cannot be read: {_cause(error)}") from None
    if not text:
        raise NotReadable(f"{setting} is empty")
    return text


def _parsed(result: Any) -> tuple[Series, ...] | NoData:
    """The series of a result: a vector, a matrix, or one scalar."""
    try:
        series = [_one_series(one) for one in ([{"value": result}] if _is_scalar(result) else result)]
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, OSError):
        return NoData(why=Why.UNREADABLE, message="the answer holds something else than numbers")
    found = tuple(one for one in series if one.readings)
    return found or NoData(why=Why.EMPTY, message="the query gives nothing")


def _is_scalar(result: Any) -> bool:
    return len(result) > 0 and isinstance(result[0], int | float)


def _one_series(raw: Mapping[str, Any]) -> Series:
    pairs = raw["values"] if "values" in raw else [raw["value"]]
    readings = tuple(Reading(value=float(value), at=datetime.fromtimestamp(at, UTC)) for at, value in pairs)
    return Series(labels=dict(raw.get("metric") or {}), readings=readings)


def _warnings(answered: Answered | None) -> str:
    body = answered.json() if answered is not None else {}
    return "; ".join(_words(warning) for warning in body.get("warnings") or ())


def _refusal(answered: Answered | None) -> NoData:
    """What an answer other than 200 means."""
    assert answered is not None, "the client complains of an answer only when there was one"
    code, (kind, words) = answered.status_code, _error(answered)
    if kind in _TIMED_OUT or code == _GATEWAY_TIMEOUT:
        return NoData(why=Why.SLOW, message=f"Prometheus gave up the query ({code})")
    if code >= _SERVER_ERROR or code == _BUSY:
        return NoData(why=Why.UNREACHABLE, message=f"Prometheus cannot answer now ({code})")
    if code in _CREDENTIALS:
        return NoData(why=Why.REFUSED, message=f"Prometheus refuses us ({code}): see prometheus_token_file")
    if _REDIRECT <= code < _BAD:
        return NoData(why=Why.REFUSED, message=f"prometheus_url leads elsewhere ({code}): give the address itself")
    return NoData(why=Why.REFUSED, message=f"Prometheus refuses the query ({code}): {words or 'it does not say why'}")


def _error(answered: Answered) -> tuple[str, str]:
    """Type and words of an error, as Prometheus says them; proxies before it speak otherwise."""
    try:
        body = answered.json()
        return str(body["errorType"]), _words(body["error"])
    except (LookupError, TypeError, ValueError):
        return "", ""


def _words(text: object) -> str:
    return redact(str(text))[:_WORDS]


def _cause(error: BaseException | None) -> str:
    """The operating system's words for what lies at the bottom of an error; never the error's own, see above."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        inner = getattr(error, "reason", None) or next((arg for arg in error.args if isinstance(arg, Exception)), None)
        error = inner if isinstance(inner, BaseException) else error.__cause__ or error.__context__
    told = [one.strerror for one in seen if isinstance(one, OSError) and one.strerror]
    return told[-1] if told else type(seen[-1]).__name__
