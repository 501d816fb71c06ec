"""Tickets in any other system: each step is a signed POST, and the receiver keeps the one ticket.

The signature is HMAC-SHA256 over `TIMESTAMP.BODY`; a receiver refuses old timestamps and ignores a delivery it knows.
"""

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any

import urllib3

from prunella_operator import clock
from prunella_operator.integrations.http_errors import error_from_status, retry_after, sanitize
from prunella_operator.integrations.notifiers.render import Style, body, title
from prunella_operator.integrations.tickets.port import Entry
from prunella_operator.integrations.tickets.ticket_ids import comment_marker
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.incident_status import TicketRef

_TIMEOUT = urllib3.Timeout(connect=10.0, read=10.0)
_OK, _REFUSED = 200, 300
_LONGEST_ANSWER = 65536  # bytes


class WebhookTickets:
    """One receiver, and the key that it and we share."""

    kind = "webhook"

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key
        self._pool = urllib3.PoolManager(timeout=_TIMEOUT, retries=False)

    def find(self, thread: str, since: datetime) -> TicketRef | None:
        """Nothing: the receiver knows its tickets by `thread`, and opens none twice."""
        del thread, since
        return None

    def create(self, thread: str, entry: Entry) -> TicketRef:
        """Tell the receiver to open a ticket; it may answer with its key and page."""
        answer = self._post("open", thread, entry)
        key, page = str(answer.get("key") or thread), str(answer.get("url") or "")
        return TicketRef(system=self.kind, key=key[:100], url=page if page.startswith(("http://", "https://")) else "")

    def comment(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Tell the receiver what is new."""
        self._post("update", thread, entry, ref)

    def close(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Tell the receiver that it is over."""
        self._post("close", thread, entry, ref)

    def _post(self, step: str, thread: str, entry: Entry, ref: TicketRef | None = None) -> dict[str, Any]:
        content = json.dumps(_content(step, thread, entry, ref), sort_keys=True).encode()
        headers = {
            "Content-Type": "application/json",
            **self._signed(content),
            "X-Prunella-Delivery": comment_marker(entry.key),
        }
        try:
            answer = self._pool.request("POST", self._url, body=content, headers=headers, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            name = type(error).__name__
        else:
            if _OK <= answer.status < _REFUSED:
                return _parsed(answer.data[:_LONGEST_ANSWER])
            words = sanitize(answer.data[:_LONGEST_ANSWER].decode("utf-8", "replace"), (self._key, self._url))
            raise error_from_status(self.kind, answer.status, words, retry_after(answer.headers))
        raise Unavailable(f"the webhook does not answer: {name}")

    def _signed(self, content: bytes) -> dict[str, str]:
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


def _parsed(data: bytes) -> dict[str, Any]:
    """The receiver's answer, if it is an object; it need not be."""
    try:
        answer = json.loads(data or b"{}")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
