"""Verify exported incidents against the audit log of the API server."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from prunella_operator.json_text import InvalidFile
from prunella_operator.reporting.proof.audit_log import read_audit_log
from prunella_operator.reporting.proof.exports import Export, Stated, check_export, unchecked
from prunella_operator.reporting.proof.finding import Finding, Kind, Proof, Span, Unchecked
from prunella_operator.reporting.proof.matching import Matcher
from prunella_operator.reporting.proof.signing import Check

ACCOUNTS = tuple(f"system:serviceaccount:prunella-system:prunella-{part}" for part in ("operator", "worker"))
"""The accounts of an installation by the manifests."""


def verify(
    exports: Sequence[Export],
    log_files: Sequence[Path],
    *,
    accounts: Collection[str] = ACCOUNTS,
    namespace: str | None = None,
    check: Check | None = None,
) -> Proof:
    """Check each export by itself, then all statements against the writes of the log.

    With a namespace only its incidents and the writes in it count.

    Raises:
        InvalidFile: the log cannot be read, has gaps or does not cover a statement, or an incident is there twice.
    """
    _require_one_of_each(exports)
    exports = [export for export in exports if namespace in (None, export.incident.incident.namespace)]
    statements = [stated for export in exports for stated in export.statements]
    matcher = Matcher(statements, accounts, namespace)
    log = read_audit_log(log_files, matcher.concerns)
    matcher.match(log)
    findings = [finding for export in exports for finding in check_export(export, check)]
    notes = [note for export in exports for note in unchecked(export, check)]
    return Proof(
        statements=len(statements),
        writes=matcher.writes,
        events=log.events,
        log_span=(log.first, log.last),
        stated_span=_span(statements),
        findings=(
            *findings,
            *_stated_twice(statements),
            *(found for found in matcher.results if isinstance(found, Finding)),
        ),
        unchecked=(*notes, *(found for found in matcher.results if isinstance(found, Unchecked))),
    )


def _span(statements: Sequence[Stated]) -> Span | None:
    """The time from the first order to the end of the last one; one that has no end yet counts by its beginning."""
    begun = [stated.value.ordered_at for stated in statements]
    ended = [stated.value.ended_at or stated.value.ordered_at for stated in statements]
    return (min(begun), max(ended)) if begun else None


def _require_one_of_each(exports: Sequence[Export]) -> None:
    places: dict[str, str] = {}
    for export in exports:
        if (uid := export.incident.incident.uid) in places:
            raise InvalidFile(f"{export.place}: {export.incident} is in {places[uid]} too; name only its latest export")
        places[uid] = export.place


def _stated_twice(statements: Sequence[Stated]) -> Iterator[Finding]:
    by_action = defaultdict[str, list[Stated]](list)
    for stated in statements:
        by_action[stated.value.action_id].append(stated)
    for first, *others in by_action.values():
        for other in others:
            message = f"its action {other.value.action_id} is stated in {first.place} already"
            yield Finding(Kind.STATED_TWICE, other.place, message)
