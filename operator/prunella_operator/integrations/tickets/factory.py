"""Build the ticket system that a Secret describes."""

import re
from contextlib import suppress
from urllib.parse import urlsplit

from prunella_operator.integrations.tickets.port import TicketSystem
from prunella_operator.kubernetes.secrets import required
from prunella_workflows.model.errors import InvalidInputError

_PROJECT = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}\Z")
_REPO = re.compile(r"[\w.-]{1,100}/[\w.-]{1,100}\Z")
_GITHUB = "https://api.github.com"


def ticket_system(address: str, values: dict[str, str]) -> TicketSystem:
    """Build it from the values of the Secret `NAMESPACE/NAME`. Raises InvalidInputError, which names the bad one."""
    match required(address, values, "type"):
        case "jira":
            return _jira(address, values)
        case "github":
            return _github(address, values)
        case "webhook":
            return _webhook(address, values)
    raise InvalidInputError(f"Secret {address}: type must be jira, github or webhook")


# Imported late: a worker uses at most one of these libraries, and they take 10 MiB.
def _jira(address: str, values: dict[str, str]) -> TicketSystem:
    from prunella_operator.integrations.tickets.jira import JiraTickets  # noqa: PLC0415

    return JiraTickets(
        _url(address, values),
        _match(address, values, "project", _PROJECT),
        required(address, values, "token"),
        user=values.get("user", "").strip(),
        issue_type=values.get("issueType", "").strip() or "Task",
        close_by=values.get("closeBy", "").strip(),
    )


def _github(address: str, values: dict[str, str]) -> TicketSystem:
    from prunella_operator.integrations.tickets.github import GithubTickets  # noqa: PLC0415

    return GithubTickets(
        _url(address, {"url": _GITHUB, **values}),
        _match(address, values, "repo", _REPO),
        required(address, values, "token"),
    )


def _webhook(address: str, values: dict[str, str]) -> TicketSystem:
    from prunella_operator.integrations.tickets.webhook import WebhookTickets  # noqa: PLC0415

    return WebhookTickets(_url(address, values), required(address, values, "key"))


def _url(address: str, values: dict[str, str]) -> str:
    url = required(address, values, "url")
    with suppress(ValueError):
        parts = urlsplit(url)
        if parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc:
            return url
    raise InvalidInputError(f"Secret {address}: url must be http(s)://HOST..., without a user")


def _match(address: str, values: dict[str, str], key: str, pattern: re.Pattern[str]) -> str:
    value = required(address, values, key)
    if not pattern.match(value):
        raise InvalidInputError(f"Secret {address}: {key} is invalid")
    return value
