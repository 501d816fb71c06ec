"""A client of Alertmanager's API (v2): silence exactly one alert, expire the silence, check whether the alert fires.

A silence matches every label of the alert exactly, so that it hides nothing else. Ours have our name as author and the
alert's fingerprint in their comment, so that a repeated attempt finds the silence of the one before.
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

_REQUEST_TIMEOUT_SECONDS = 10.0
_MAX_RESPONSE_BYTES = 8 << 20
_SERVER_ERROR = 500
_OK = 300


class Alertmanager:
    """One Alertmanager. Thread-safe; follows no redirects and never retries."""

    def __init__(self, url: str, token_file: str | None = None, ca_file: str | None = None) -> None:
        self._url = f"{url}/api/v2"
        self._token_file = Path(token_file) if token_file else None
        self._pool = urllib3.PoolManager(
            ca_certs=ca_file,
            cert_reqs="CERT_REQUIRED",
            timeout=_REQUEST_TIMEOUT_SECONDS,
            retries=urllib3.Retry(total=0),
        )

    def silence(self, alert: Alert, until: datetime, comment: str, known: str) -> str:
        """Silence the alert until then, or extend the silence in force; return its id. `known` is its id, if recorded.
        Raises AuthenticationError or InvalidInputError when it refuses, Unavailable when it does not answer.
        """
        ours = known or self._find_silence(alert)
        body = {
            "matchers": [
                {"name": name, "value": value, "isRegex": False, "isEqual": True}
                for name, value in sorted(alert.labels.items())
                if value  # an empty label is the same as a missing one
            ],
            "startsAt": _format_time(clock.now()),
            "endsAt": _format_time(until),
            "createdBy": AUTHOR,
            "comment": f"{comment} [{alert.fingerprint}]",
            **({"id": ours} if ours else {}),
        }
        try:
            response = self._call("POST", "/silences", body)
        except NotFound:  # it has ended since
            response = self._call("POST", "/silences", {key: value for key, value in body.items() if key != "id"})
        return str(response["silenceID"])

    def unsilence(self, silence_id: str) -> None:
        """Expire a silence, unless it has ended already."""
        try:
            self._call("DELETE", f"/silence/{silence_id}")
        except (NotFound, InvalidInputError):
            return

    def is_firing(self, alert: Alert) -> bool:
        """Check whether it has the alert, silenced or not."""
        return any(found.get("fingerprint") == alert.fingerprint for found in self._find("/alerts", alert))

    def _find_silence(self, alert: Alert) -> str:
        """Find the silence of an earlier attempt; "" if there is none."""
        suffix = f"[{alert.fingerprint}]"
        for silence in self._find("/silences", alert):
            ours = silence.get("createdBy") == AUTHOR and str(silence.get("comment")).endswith(suffix)
            if ours and (silence.get("status") or {}).get("state") == "active":
                return str(silence["id"])
        return ""

    def _find(self, path: str, alert: Alert) -> Any:
        """Find what has the alert's name, quoted in Alertmanager's notation."""
        name = alert.labels.get("alertname", "").replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        return self._call("GET", path, query="?" + urlencode({"filter": f'alertname="{name}"'}))

    def _call(self, method: str, path: str, body: Any = None, query: str = "") -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        data = None if body is None else json.dumps(body).encode()
        url = self._url + path + query
        try:
            if self._token_file is not None:
                headers["Authorization"] = f"Bearer {self._token_file.read_text().strip()}"
            with tracing.request("alertmanager", method, path) as traced:
                headers |= traced.headers
                response = self._pool.request(
                    method, url, body=data, headers=headers, redirect=False, preload_content=False
                )
                traced.answered(response.status)
                content = response.read(_MAX_RESPONSE_BYTES)
                response.release_conn()
        except OSError as error:
            raise AuthenticationError(f"the token of Alertmanager cannot be read: {error.strerror}") from None
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"Alertmanager does not answer: {type(error).__name__}") from None
        return _parse_response(response.status, content)


def connect_alertmanager(settings: Settings) -> Alertmanager | None:
    """Build the client of the configured Alertmanager, if any. Nothing is sent yet."""
    if settings.alertmanager_url is None:
        return None
    return Alertmanager(settings.alertmanager_url, settings.alertmanager_token_file, settings.alertmanager_ca_file)


def _parse_response(code: int, content: bytes) -> Any:
    """Parse the response. Errors do not repeat its text, which may quote the request."""
    if code in (401, 403):
        raise AuthenticationError(f"Alertmanager refuses our credentials ({code})")
    if code == 404:  # noqa: PLR2004 - HTTP
        raise NotFound("Alertmanager does not know it")
    if code == 429 or code >= _SERVER_ERROR:  # noqa: PLR2004 - HTTP
        raise Unavailable(f"Alertmanager answers {code}")
    if code >= _OK:
        raise InvalidInputError(f"Alertmanager refuses the request ({code})")
    try:
        return json.loads(content) if content else None
    except ValueError:
        raise Unavailable("Alertmanager's answer cannot be read") from None


def _format_time(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
