"""Tickets in Jira, found again by their label, and comments by their last line. Search lags less than a retry takes."""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from jira import JIRA, JIRAError

from prunella_operator.integrations.http_errors import error_from_status, retry_after, sanitize
from prunella_operator.integrations.notifiers.render import Style, body, title
from prunella_operator.integrations.tickets.port import Entry
from prunella_operator.integrations.tickets.ticket_ids import comment_marker, ticket_label
from prunella_workflows.model.errors import InvalidInputError, PrunellaError, Unavailable
from prunella_workflows.model.incident_status import TicketRef

T = TypeVar("T")

_TIMEOUT_SECONDS = 10.0
_MAX_TEXT = 30000  # characters; Jira accepts 32,767
_MAX_SUMMARY = 250  # characters
_BREAK = "\u200b"


class JiraTickets:
    """One project. `user` is needed for Cloud, where the token is an API token; without it the token is a personal one.
    `close_by` is the name of the transition that closes a ticket; by default the first one to a "done" status.
    """

    kind = "jira"

    def __init__(self, url: str, project: str, token: str, *, user: str, issue_type: str, close_by: str) -> None:
        logging.getLogger("jira").setLevel(logging.CRITICAL)  # it logs addresses and answers
        self._url = url.rstrip("/")
        self._project = project
        self._token = token
        self._user = user
        self._issue_type = issue_type
        self._close_by = close_by
        self._jira: JIRA | None = None

    def find(self, thread: str, since: datetime) -> TicketRef | None:
        """Find the oldest ticket with the thread's label. The label is unique, so `since` is not needed."""
        del since
        query = f'project = "{self._project}" AND labels = "{ticket_label(thread)}" ORDER BY created ASC'

        def search(jira: JIRA) -> Any:
            return jira.search_issues(query, maxResults=1, fields="summary", json_result=True)

        found = self._call(search).get("issues") or ()
        return self._ref(found[0]["key"]) if found else None

    def create(self, thread: str, entry: Entry) -> TicketRef:
        """Create a ticket with the thread's label."""
        fields = {
            "project": {"key": self._project},
            "issuetype": {"name": self._issue_type},
            "summary": title(entry.message, Style.TEXT)[:_MAX_SUMMARY],
            "description": _text(entry),
            "labels": ["prunella", ticket_label(thread)],
        }
        created: Any = self._call(lambda jira: jira.create_issue(fields=fields, prefetch=False))
        return self._ref(created.key)

    def comment(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Add a comment, unless one with this entry's marker exists."""
        del thread
        marker = comment_marker(entry.key)
        existing: Any = self._call(lambda jira: jira.comments(ref.key))
        if not any(marker in comment.body for comment in existing):
            self._call(lambda jira: jira.add_comment(ref.key, f"{_text(entry)}\n{marker}"))

    def close(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Comment, then move the ticket to a status in the category done."""
        self.comment(thread, ref, entry)
        issue: Any = self._call(lambda jira: jira.issue(ref.key, fields="status"))
        if _done(issue.raw["fields"]["status"]):
            return
        transitions: Any = self._call(lambda jira: jira.transitions(ref.key))
        closing = [transition for transition in transitions if self._closes(transition)]
        if not closing:
            raise InvalidInputError(f"jira has no transition that closes {ref.key}; name one in the Secret as closeBy")
        self._call(lambda jira: jira.transition_issue(ref.key, closing[0]["id"]))

    def _closes(self, transition: dict[str, Any]) -> bool:
        if self._close_by:
            return str(transition["name"]).lower() == self._close_by.lower()
        return _done(transition.get("to") or {})

    def _ref(self, key: str) -> TicketRef:
        return TicketRef(system=self.kind, key=key, url=f"{self._url}/browse/{key}")

    def _call(self, function: Callable[[JIRA], T]) -> T:
        """Run a function. The library's errors contain headers and addresses: only code and sanitized text are kept."""
        problem: PrunellaError
        try:
            return function(self._connect())
        except JIRAError as error:
            problem = self._translate(error)
        except Exception as error:  # noqa: BLE001 - its text may contain the token: only the type is kept
            problem = Unavailable(f"jira does not answer: {type(error).__name__}")
        raise problem

    def _connect(self) -> JIRA:
        if self._jira is None:
            user, token = self._user, self._token
            auth: dict[str, Any] = {"basic_auth": (user, token)} if user else {"token_auth": token}
            self._jira = JIRA(self._url, **auth, timeout=_TIMEOUT_SECONDS, max_retries=0, logging=False)
        return self._jira

    def _translate(self, error: JIRAError) -> PrunellaError:
        if not error.status_code:
            return Unavailable("jira does not answer")
        response = error.response
        retry_in = retry_after(response.headers) if response is not None else None
        raw = response is not None and error.text == response.text  # not Jira's own words: any server may be there
        text = "" if raw else sanitize(error.text or "", (self._token,))
        return error_from_status(self.kind, error.status_code, text, retry_in)


def _done(status: dict[str, Any]) -> bool:
    return (status.get("statusCategory") or {}).get("key") == "done"


def _text(entry: Entry) -> str:
    """Render the message in a verbatim block; text that could end the block is broken up."""
    text = body(entry.message, entry.links, Style.TEXT, _MAX_TEXT).replace("{", "{" + _BREAK)
    targets = [link.target for link in (*entry.links, *entry.message.links)]
    pages = [target for target in targets if target.startswith(("http://", "https://"))]
    return "\n".join(("{noformat}", text, "{noformat}", *pages))
