"""Tickets as GitHub issues. A ticket and each comment end with a marker that readers do not see."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from github import Auth, Github, GithubException, RateLimitExceededException
from github.Issue import Issue
from github.Repository import Repository

from prunella_operator.integrations.http_errors import error_from_status, retry_after, sanitize
from prunella_operator.integrations.notifiers.render import Style, body, title
from prunella_operator.integrations.tickets.port import Entry
from prunella_operator.integrations.tickets.ticket_ids import comment_marker, ticket_label
from prunella_workflows.model.errors import PrunellaError, Unavailable
from prunella_workflows.model.incident_status import TicketRef

T = TypeVar("T")

_TIMEOUT_SECONDS = 10
_MAX_TEXT = 60000  # characters; GitHub accepts 65,536
_CLOCK_SKEW = timedelta(minutes=10)


class GithubTickets:
    """One repository, on github.com or an Enterprise server (`url` is the address of its API)."""

    kind = "github"

    def __init__(self, url: str, repo: str, token: str) -> None:
        logging.getLogger("github").setLevel(logging.CRITICAL)  # it logs addresses and answers
        self._url = url.rstrip("/")
        self._repo = repo
        self._token = token

    def find(self, thread: str, since: datetime) -> TicketRef | None:
        """Find the oldest issue opened since then that ends with the thread's marker."""
        marker, begin = _hide(ticket_label(thread)), since - _CLOCK_SKEW

        def search(repo: Repository) -> Issue | None:
            found = None  # listed, not searched: search lags, and labels need more permissions than opening an issue
            for issue in repo.get_issues(state="all", since=begin, sort="created", direction="desc"):
                if issue.created_at < begin:
                    break
                if (issue.body or "").rstrip().endswith(marker):
                    found = issue
            return found

        issue = self._call(search)
        return _ref(issue) if issue is not None else None

    def create(self, thread: str, entry: Entry) -> TicketRef:
        """Create an issue that ends with the thread's marker."""
        subject, text = title(entry.message, Style.TEXT), _text(entry, ticket_label(thread))
        return _ref(self._call(lambda repo: repo.create_issue(title=subject, body=text, labels=["prunella"])))

    def comment(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Add a comment, unless one with this entry's marker exists."""
        del thread
        marker = comment_marker(entry.key)

        def write(repo: Repository) -> None:
            issue = repo.get_issue(int(ref.key))
            if not any(_hide(marker) in (comment.body or "") for comment in issue.get_comments()):
                issue.create_comment(_text(entry, marker))

        self._call(write)

    def close(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Comment, then close the issue."""
        self.comment(thread, ref, entry)

        def finish(repo: Repository) -> None:
            issue = repo.get_issue(int(ref.key))
            if issue.state != "closed":
                issue.edit(state="closed", state_reason="completed")

        self._call(finish)

    def _call(self, function: Callable[[Repository], T]) -> T:
        """Run a function. Of the library's errors only the code and GitHub's sanitized text are kept."""
        client = Github(
            base_url=self._url,
            auth=Auth.Token(self._token),
            timeout=_TIMEOUT_SECONDS,
            retry=None,
            per_page=100,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )
        problem: PrunellaError
        try:
            return function(client.get_repo(self._repo))
        except GithubException as error:
            problem = self._translate(error)
        except Exception as error:  # noqa: BLE001 - its text may contain the token: only the type is kept
            problem = Unavailable(f"github does not answer: {type(error).__name__}")
        finally:
            client.close()
        raise problem

    def _translate(self, error: GithubException) -> PrunellaError:
        retry_in = retry_after(error.headers or {})
        if isinstance(error, RateLimitExceededException):
            return Unavailable("github asks us to wait", again=retry_in)
        return error_from_status(self.kind, error.status, sanitize(str(error.message or ""), (self._token,)), retry_in)


def _ref(issue: Issue) -> TicketRef:
    return TicketRef(system=GithubTickets.kind, key=str(issue.number), url=issue.html_url)


def _text(entry: Entry, marker: str) -> str:
    return f"{body(entry.message, entry.links, Style.MARKDOWN, _MAX_TEXT)}\n\n{_hide(marker)}"


def _hide(marker: str) -> str:
    return f"<!-- {marker} -->"
