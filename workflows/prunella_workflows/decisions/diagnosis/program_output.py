"""The last words of a program that crashed: the variable that it lacks, or the address that did not answer it."""

import re
from collections.abc import Iterator

from prunella_workflows.decisions.diagnosis.findings import Findings
from prunella_workflows.decisions.diagnosis.symptoms import Kind
from prunella_workflows.model.evidence import Evidence

_NAME = r"[\"'`$]{0,2}\{?\b((?!ERROR|FATAL|PANIC|CRITICAL|WARN|INFO|DEBUG|TRACE)[A-Z][A-Z0-9_]{2,})\b\}?[\"'`]?(?!=)"
"""A variable of the environment, by the convention that it is in upper case; not the level of a log line."""

_LACKS = (
    r"(?:is |was |parameter |environment |variable )*"
    r"(?:not set|unset|not defined|undefined|missing|required|empty|null or not set|unbound variable|must be set)\b"
)
_LACKING = (
    re.compile(rf"\bKeyError: {_NAME}\s*$"),
    re.compile(rf"{_NAME}:? (?i:{_LACKS})"),
    re.compile(
        rf"(?i:\b(?:missing|required|unset|undefined|placeholder|variable not found)\b[a-z :]{{0,40}}?) ?{_NAME}"
    ),
)
_UNREACHABLE = re.compile(
    r"connection refused|ECONNREFUSED|no such host|ENOTFOUND|name or service not known|name resolution|"
    r"could not translate host name|no route to host|EHOSTUNREACH|ETIMEDOUT|i/o timeout|connection timed out",
    re.IGNORECASE,
)
_HOST = r"([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)"
_ADDRESS = tuple(
    re.compile(shape, re.IGNORECASE)
    for shape in (
        rf"\blookup {_HOST}",  # Go
        rf"\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED) {_HOST}",  # Node
        rf"\b(?:host(?: name)?|server at)[= ]['\"]?{_HOST}['\"]?",  # libpq, Python's HTTP clients
        rf"(?:://|(?<![\w./-])){_HOST}:\d{{2,5}}\b",
        r"\b(\d{1,3}(?:\.\d{1,3}){3})\b",
    )
)


def find_missing_variable(evidence: Evidence, container: str = "") -> str:
    """The variable of its environment that a program says it lacks; "" for none."""
    found = (pattern.search(line) for line in _lines(evidence, container) for pattern in _LACKING)
    return next((match[1] for match in found if match is not None), "")


def find_unreachable_address(findings: Findings) -> tuple[str, str]:
    """The host that a crashed program could not reach, and the line that says so; empty for none."""
    crashed = {failure.container for failure in findings.failures if failure.kind is Kind.CRASH}
    for container in sorted(crashed):
        for line in _lines(findings.evidence, container):
            if _UNREACHABLE.search(line) and (host := _host(line)):
                return host, line
    return "", ""


def _host(line: str) -> str:
    found = (pattern.search(line) for pattern in _ADDRESS)
    return next((match[1].lower() for match in found if match is not None), "")


def _lines(evidence: Evidence, container: str) -> Iterator[str]:
    """The last lines of a container's logs, latest first, and its termination messages."""
    for tail in evidence.logs:
        if tail.container == container or not container:
            yield from reversed(tail.lines)
    for pod in evidence.live_pods:
        for status in pod.containers:
            if status.name == container or not container:
                yield from (line for end in status.terminations for line in reversed(end.message.splitlines()))
