"""Tickets as GitHub issues. A ticket and each comment end with a mark that readers do not see.

Issues are listed, not searched: GitHub's search lags, and its labels need more rights than opening an issue does.
"""

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

_TIMEOUT = 10  # seconds
_LONGEST = 60000  # characters; GitHub takes 65,536
_SKEW = timedelta(minutes=10)


class GithubTickets:
    """One repository, on github.com or an Enterprise server (`url` is the address of its API)."""

    kind = "github"

    def __init__(self, url: str, repo: str, token: str) -> None:
        logging.getLogger("github").setLevel(logging.CRITICAL)  # it logs addresses and answers
        self._url = url.rstrip("/")
        self._repo = repo
        self._token = token

    def find(self, thread: str, since: datetime) -> TicketRef | None:
        """The oldest issue opened since then that ends with the thread's mark."""
        mark, begin = _hidden(ticket_label(thread)), since - _SKEW

        def search(repo: Repository) -> Issue | None:
            found = None
            for issue in repo.get_issues(state="all", since=begin, sort="created", direction="desc"):
                if issue.created_at < begin:
                    break
                if (issue.body or "").rstrip().endswith(mark):
                    found = issue
            return found

        issue = self._ask(search)
        return _ref(issue) if issue is not None else None

    def create(self, thread: str, entry: Entry) -> TicketRef:
        """A new issue that ends with the thread's mark."""
        subject, text = title(entry.message, Style.TEXT), _text(entry, ticket_label(thread))
        return _ref(self._ask(lambda repo: repo.create_issue(title=subject, body=text, labels=["prunella"])))

    def comment(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Add a comment, unless one with this entry's mark is there."""
        del thread
        note = comment_marker(entry.key)

        def write(repo: Repository) -> None:
            issue = repo.get_issue(int(ref.key))
            if not any(_hidden(note) in (comment.body or "") for comment in issue.get_comments()):
                issue.create_comment(_text(entry, note))

        self._ask(write)

    def close(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Comment, then close the issue."""
        self.comment(thread, ref, entry)

        def finish(repo: Repository) -> None:
            issue = repo.get_issue(int(ref.key))
            if issue.state != "closed":
                issue.edit(state="closed", state_reason="completed")

        self._ask(finish)

    def _ask(self, call: Callable[[Repository], T]) -> T:
        """One piece of work. Nothing of what the library raises gets out but the code and GitHub's cleaned words."""
        client = Github(
            base_url=self._url,
            auth=Auth.Token(self._token),
            timeout=_TIMEOUT,
            retry=None,
            per_page=100,
            seconds_between_requests=None,
            seconds_between_writes=None,
            lazy=True,
        )
        problem: PrunellaError
        try:
            return call(client.get_repo(self._repo))
        except GithubException as error:
            problem = self._of(error)
        except Exception as error:  # noqa: BLE001 - its words may carry the token: only its type leaves
            problem = Unavailable(f"github does not answer: {type(error).__name__}")
        finally:
            client.close()
        raise problem

    def _of(self, error: GithubException) -> PrunellaError:
        again = retry_after(error.headers or {})
        if isinstance(error, RateLimitExceededException):
            return Unavailable("github asks us to wait", again=again)
        return error_from_status(self.kind, error.status, sanitize(str(error.message or ""), (self._token,)), again)


def _ref(issue: Issue) -> TicketRef:
    return TicketRef(system=GithubTickets.kind, key=str(issue.number), url=issue.html_url)


def _text(entry: Entry, mark: str) -> str:
    return f"{body(entry.message, entry.links, Style.MARKDOWN, _LONGEST)}\n\n{_hidden(mark)}"


def _hidden(mark: str) -> str:
    return f"<!-- {mark} -->"
