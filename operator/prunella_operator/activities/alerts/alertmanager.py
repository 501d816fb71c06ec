"""Alertmanager's API (v2), as far as we use it: silence exactly one alert, take that back, ask whether it fires.

A silence matches every label of the alert exactly, so that it hides nothing else. Ours are known by their author and
by the alert's fingerprint in their comment, so that an attempt that is repeated finds the one before it.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.observability import tracing
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.errors import AuthenticationError, InvalidInputError, NotFound, Unavailable

AUTHOR = "prunella"

_TIMEOUT = 10.0  # seconds
_LARGEST = 8 << 20  # bytes of an answer
_SERVER_ERROR = 500
_OK = 300


class Alertmanager:
    """One Alertmanager. Thread-safe; no redirect is followed and nothing is repeated."""

    def __init__(self, url: str, token_file: str | None = None, ca_file: str | None = None) -> None:
        self._url = f"{url}/api/v2"
        self._token_file = Path(token_file) if token_file else None
        self._pool = urllib3.PoolManager(
            ca_certs=ca_file, cert_reqs="CERT_REQUIRED", timeout=_TIMEOUT, retries=urllib3.Retry(total=0)
        )

    def silence(self, alert: Alert, until: datetime, comment: str, known: str) -> str:
        """Silence the alert until then, or move the end of the silence that is in force; its id.

        Raises:
            AuthenticationError, InvalidInputError: it refuses us, or what we ask.
            Unavailable: it does not answer.
        """
        ours = known or self._ours(alert)
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in sorted(alert.labels.items())
                if value  # a label without a value is one that is not there
            ],
            "startsAt": _time(clock.now()),
            "endsAt": _time(until),
            "createdBy": AUTHOR,
            "comment": f"{comment} [{alert.fingerprint}]",
            **({"id": ours} if ours else {}),
        }
        try:
            answer = self._call("POST", "/silences", body)
        except NotFound:  # it ended meanwhile
            answer = self._call("POST", "/silences", {key: value for key, value in body.items() if key != "id"})
        return str(answer["silenceID"])

    def unsilence(self, silence_id: str) -> None:
        """Expire a silence. One that has ended already is fine."""
        try:
            self._call("DELETE", f"/silence/{silence_id}")
        except (NotFound, InvalidInputError):
            return

    def is_firing(self, alert: Alert) -> bool:
        """Whether it has the alert, silenced or not."""
        query = {"filter": f"alertname={_quoted(alert.labels.get('alertname', ''))}"}
        return any(one.get("fingerprint") == alert.fingerprint for one in self._call("GET", "/alerts", query=query))

    def _ours(self, alert: Alert) -> str:
        """The silence of an earlier attempt, if there is one."""
        mark = f"[{alert.fingerprint}]"
        query = {"filter": f"alertname={_quoted(alert.labels.get('alertname', ''))}"}
        found = [
            str(one["id"])
            for one in self._call("GET", "/silences", query=query)
            if one.get("createdBy") == AUTHOR
            and str(one.get("comment", "")).endswith(mark)
            and (one.get("status") or {}).get("state") == "active"
        ]
        return next(iter(found), "")

    def _call(self, method: str, path: str, body: Any = None, query: dict[str, str] | None = None) -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        try:
            if self._token_file is not None:
                headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
            with tracing.request("alertmanager", method, path) as traced:
                headers |= traced.headers
                answer = self._pool.request(
                    method, url, body=data, headers=headers, redirect=False, preload_content=False
                )
                traced.answered(answer.status)
                content = answer.read(_LARGEST)
                answer.release_conn()
        except OSError as error:
            raise AuthenticationError(f"the token of Alertmanager cannot be read: {error.strerror}") from None
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"Alertmanager does not answer: {type(error).__name__}") from None
        return _checked(answer.status, content)


def connect_alertmanager(settings: Settings) -> Alertmanager | None:
    """The one that the settings name, if any. Nothing is sent yet."""
    if settings.alertmanager_url is None:
        return None
    return Alertmanager(settings.alertmanager_url, settings.alertmanager_token_file, settings.alertmanager_ca_file)


def _checked(code: int, content: bytes) -> Any:
    """The answer; its words are not repeated, for they may quote what was sent."""
    if code in (401, 403):
        raise AuthenticationError(f"Alertmanager refuses our credentials ({code})")
    if code == 404:  # noqa: PLR2004 - HTTP
        raise NotFound("Alertmanager does not know it")
    if code == 429 or code >= _SERVER_ERROR:  # noqa: PLR2004 - HTTP
        raise Unavailable(f"Alertmanager answers {code}")
    if code >= _OK:
        raise InvalidInputError(f"Alertmanager refuses what we ask ({code})")
    try:
        return json.loads(content) if content else None
    except ValueError:
        raise Unavailable("Alertmanager's answer cannot be read") from None


def _quoted(value: str) -> str:
    """A value in a matcher of Alertmanager's own notation."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
