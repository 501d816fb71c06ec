"""Tickets in any other system: each step is a signed POST, and the receiver keeps one ticket per thread.

Its address may be that of any server, so errors quote nothing of the response: a reader of Incidents must not learn
what that server says.
"""

import hashlib
import hmac
import json
import re
from datetime import datetime
from typing import Any

import urllib3

from prunella_operator import clock
from prunella_operator.integrations.http_errors import error_from_status, retry_after
from prunella_operator.integrations.notifiers.render import Style, body, title
from prunella_operator.integrations.tickets.port import Entry
from prunella_operator.integrations.tickets.ticket_ids import comment_marker
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.incident_status import TicketRef

_TIMEOUT = urllib3.Timeout(connect=10.0, read=10.0)
_OK, _REDIRECT = 200, 300
_MAX_RESPONSE_BYTES = 65536
_KEY = re.compile(r"[\w.#/-]{1,40}")  # a ticket's key, and no sentence


class WebhookTickets:
    """One receiver, and the key that we share with it."""

    kind = "webhook"

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def find(self, thread: str, since: datetime) -> TicketRef | None:
        """Find nothing: the receiver knows its tickets by `thread`, and opens none twice."""
        del thread, since
        return None

    def create(self, thread: str, entry: Entry) -> TicketRef:
        """Request a ticket; the receiver may respond with its key and page."""
        response = self._post("open", thread, entry)
        key, page = str(response.get("key") or ""), str(response.get("url") or "")
        key = key if _KEY.fullmatch(key) else thread
        return TicketRef(system=self.kind, key=key, url=page if page.startswith(("http://", "https://")) else "")

    def comment(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Send an update."""
        self._post("update", thread, entry, ref)

    def close(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Request the ticket's closing."""
        self._post("close", thread, entry, ref)

    def _post(self, step: str, thread: str, entry: Entry, ref: TicketRef | None = None) -> dict[str, Any]:
        content = json.dumps(_content(step, thread, entry, ref), sort_keys=True).encode()
        headers = {
            "Content-Type": "application/json",
            **self._signature(content),
            "X-Prunella-Delivery": comment_marker(entry.key),
        }
        try:
            response = self._pool.request("POST", self._url, body=content, headers=headers, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            name = type(error).__name__
        else:
            if _OK <= response.status < _REDIRECT:
                return _parse(response.data[:_MAX_RESPONSE_BYTES])
            raise error_from_status(self.kind, response.status, retry_in=retry_after(response.headers))
        raise Unavailable(f"the webhook does not answer: {name}")

    def _signature(self, content: bytes) -> dict[str, str]:
        """HMAC-SHA256 over `TIMESTAMP.BODY`; a receiver refuses old timestamps and ignores known deliveries."""
        stamp = str(int(clock.now().timestamp()))
        digest = hmac.new(self._key.encode(), stamp.encode() + b"." + content, hashlib.sha256).hexdigest()
        return {"X-Prunella-Timestamp": stamp, "X-Prunella-Signature": f"sha256={digest}"}


def _content(step: str, thread: str, entry: Entry, ref: TicketRef | None) -> dict[str, Any]:
    message = entry.message
    return {
        "step": step,
        "thread": thread,
        "key": ref.key if ref is not None else None,
        "title": title(message, Style.TEXT),
        "text": body(message, entry.links, Style.TEXT),
        "markdown": body(message, entry.links, Style.MARKDOWN),
        "severity": message.severity.value,
        "incident": message.incident.to_object() if message.incident is not None else None,
    }


def _parse(data: bytes) -> dict[str, Any]:
    """Parse the response if it is an object; it need not be."""
    try:
        response = json.loads(data or b"{}")
    except ValueError:
        return {}
    return response if isinstance(response, dict) else {}
