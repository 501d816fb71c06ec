"""The result of a verification: what does not agree, and what could not be checked."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """The ways in which statements, exports and the audit log can disagree."""

    NOT_SIGNED = "NotSigned"
    BAD_SIGNATURE = "BadSignature"
    CHAIN_BROKEN = "ChainBroken"
    STATED_TWICE = "StatedTwice"
    OTHER_INCIDENT = "OtherIncident"
    OTHER_EVIDENCE = "OtherEvidence"
    OTHER_POLICIES = "OtherPolicies"
    OTHER_PRECONDITION = "OtherPrecondition"
    OTHER_OBJECT = "OtherObject"
    OTHER_CHANGE = "OtherChange"
    OTHER_VERDICT = "OtherVerdict"
    OTHER_TIME = "OtherTime"
    NO_WRITE = "StatementWithoutWrite"
    NO_STATEMENT = "WriteWithoutStatement"
    WRITTEN_TWICE = "WrittenTwice"
    WRITTEN_BY_ANOTHER = "WrittenByAnother"


@dataclass(frozen=True)
class Finding:
    """A disagreement at a place: a line of the audit log, or a statement of an export."""

    kind: Kind
    place: str
    message: str


@dataclass(frozen=True)
class Unchecked:
    """A check that could not be made at a place, and why."""

    place: str
    message: str


Span = tuple[datetime, datetime]
"""The first and the last moment."""


@dataclass(frozen=True)
class Proof:
    """The result. `writes` are those of Prunella's accounts to objects that are not its own.

    `log_span` is the time that the log covers, and `stated_span` that of the stated orders; None without any.
    """

    statements: int
    writes: int
    events: int
    log_span: Span
    stated_span: Span | None
    findings: tuple[Finding, ...]
    unchecked: tuple[Unchecked, ...]
