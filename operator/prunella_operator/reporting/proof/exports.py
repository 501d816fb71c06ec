"""Exports and their statements: whether they agree with each other, are in order, and are signed."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes.digest import canonical, digest
from prunella_operator.reporting.proof.finding import Finding, Kind, Unchecked
from prunella_operator.reporting.proof.signing import Check
from prunella_operator.reporting.proof.statement import (
    Intent,
    Object,
    Statement,
    intent_of,
    outcome_of,
    policies_of,
    unsigned,
)
from prunella_operator.reporting.recorded_incident import RecordedIncident, parse_object, validate
from prunella_operator.reporting.recorded_orders import APPLIED
from prunella_workflows.contracts.healing import undo_id
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.plan import Action
from prunella_workflows.model.validation import first_error

REPAIR = "repair"


@dataclass(frozen=True)
class Stated:
    """A statement with its place, as it is read and as it stands in the file, and what its diagnosis plans.

    `planned` is None for an undo, which no diagnosis plans.
    """

    place: str
    value: Statement
    raw: Object
    planned: Action | None = None


@dataclass(frozen=True)
class Export:
    """An exported incident: as it is read, the facts of its diagnoses as they stand in the file, and what they plan."""

    place: str
    incident: RecordedIncident
    facts: tuple[Object | None, ...]
    planned: tuple[Intent | None, ...]
    statements: tuple[Stated, ...]


def parse_export(text: str, place: str) -> Export:
    """Read a file that `place` names. Raises InvalidFile, which names the place, for what is no exported incident."""
    value = parse_object(text, place)
    incident = validate(value, place)
    return Export(
        place=place,
        incident=incident,
        facts=tuple(diagnosis.get("facts") for diagnosis in value.get("diagnoses", ())),
        planned=tuple(_planned(incident, place)),
        statements=tuple(_statements(incident, place)),
    )


def check_export(export: Export, check: Check | None) -> Iterator[Finding]:
    """Check an export by itself; the signatures only with a key."""
    yield from _check_chain(export)
    for stated in export.statements:
        if check is not None:
            yield from _check_signature(stated, check)
        yield from _check_incident(export, stated)
        yield from _check_facts(export, stated)
        yield from _check_intent(export, stated)
        yield from _check_verdict(export, stated)


def unchecked(export: Export, check: Check | None) -> Iterator[Unchecked]:
    """List what an export does not show by itself."""
    for stated in export.statements:
        if not stated.value.evidence:
            yield Unchecked(stated.place, "evidence and policies: no facts of its diagnosis were kept")
        if export.incident.status is None:
            yield Unchecked(stated.place, "the verdict: the incident was open when it was exported")
        if check is None and stated.value.signature:
            yield Unchecked(stated.place, "the signature: no public key was given")


def _planned(incident: RecordedIncident, place: str) -> Iterator[Intent | None]:
    for number, diagnosis in enumerate(incident.diagnoses):
        steps = diagnosis.report.plan.steps
        try:
            yield intent_of(steps[0].action) if steps else None
        except PrunellaError as error:
            raise InvalidFile(f"{place}: diagnoses.{number}.report.plan: {error}") from error


def _statements(incident: RecordedIncident, place: str) -> Iterator[Stated]:
    for number, raw in enumerate(incident.statements, start=1):
        try:
            statement = Statement.model_validate(raw)
        except ValidationError as error:
            raise InvalidFile(f"{place}: statements.{number - 1}.{first_error(error)}") from error
        yield Stated(f"{place}: statement {number}", statement, raw, _action(incident, statement))


def _action(incident: RecordedIncident, statement: Statement) -> Action | None:
    """The action that the diagnosis of a repair plans next."""
    if statement.order != REPAIR or not 0 < statement.diagnosis <= len(incident.diagnoses):
        return None
    steps = incident.diagnoses[statement.diagnosis - 1].report.plan.steps
    return steps[0].action if steps else None


def _check_chain(export: Export) -> Iterator[Finding]:
    """Only the first break: what follows has other numbers anyway."""
    previous = ""
    for number, stated in enumerate(export.statements, start=1):
        if stated.value.number != number:
            yield Finding(Kind.CHAIN_BROKEN, stated.place, f"its number is {stated.value.number}, not {number}")
            return
        if stated.value.previous != previous:
            yield Finding(Kind.CHAIN_BROKEN, stated.place, "the statement before is not the one that it was made after")
            return
        previous = digest(stated.raw)


def _check_signature(stated: Stated, check: Check) -> Iterator[Finding]:
    signature = stated.value.signature
    if not signature:
        yield Finding(Kind.NOT_SIGNED, stated.place, "it has no signature")
    elif not check(canonical(unsigned(stated.raw)), signature):
        yield Finding(Kind.BAD_SIGNATURE, stated.place, "it was changed, or signed with another key")


def _check_incident(export: Export, stated: Stated) -> Iterator[Finding]:
    if stated.value.incident != export.incident.incident:
        message = f"it is about incident {stated.value.incident.name} ({stated.value.incident.uid})"
        yield Finding(Kind.OTHER_INCIDENT, stated.place, message)


def _check_facts(export: Export, stated: Stated) -> Iterator[Finding]:
    number = stated.value.diagnosis
    if not 0 < number <= len(export.facts):
        yield Finding(Kind.OTHER_EVIDENCE, stated.place, f"the export has no diagnosis {number}")
        return
    facts = export.facts[number - 1]
    evidence, policies = (digest(facts), digest(policies_of(facts))) if facts is not None else ("", "")
    if stated.value.evidence != evidence:
        yield Finding(
            Kind.OTHER_EVIDENCE, stated.place, f"it was made from other facts than those of diagnosis {number}"
        )
    if stated.value.policies != policies:
        message = f"it was made by other policies than those of diagnosis {number}"
        yield Finding(Kind.OTHER_POLICIES, stated.place, message)


def _check_intent(export: Export, stated: Stated) -> Iterator[Finding]:
    """A repair makes the next step of its plan, and an undo undoes the repair that it requires."""
    number = stated.value.diagnosis
    if stated.value.order != REPAIR:
        yield from _check_undo(stated)
    elif 0 < number <= len(export.planned):
        yield from _check_plan(stated, export.planned[number - 1])


def _check_plan(stated: Stated, planned: Intent | None) -> Iterator[Finding]:
    number, intent = stated.value.diagnosis, stated.value.intent
    if planned is None:
        yield Finding(Kind.OTHER_CHANGE, stated.place, f"diagnosis {number} plans no change")
        return
    if (intent.path, intent.pods) != (planned.path, planned.pods):
        yield Finding(Kind.OTHER_OBJECT, stated.place, f"diagnosis {number} plans a change of {planned.path}")
    if (intent.action, intent.change) != (planned.action, planned.change):
        yield Finding(Kind.OTHER_CHANGE, stated.place, f"diagnosis {number} plans to {planned.change}")
    if intent.precondition != planned.precondition:
        yield Finding(Kind.OTHER_PRECONDITION, stated.place, f"diagnosis {number} requires something else")


def _check_undo(stated: Stated) -> Iterator[Finding]:
    undone = stated.value.intent.precondition.last_action
    if stated.value.outcome == APPLIED and stated.value.action_id != undo_id(undone):
        yield Finding(
            Kind.OTHER_PRECONDITION,
            stated.place,
            f"it requires the action {undone or '(none)'}, which it does not undo",
        )


def _check_verdict(export: Export, stated: Stated) -> Iterator[Finding]:
    if export.incident.status is None:
        return
    verdict = outcome_of(export.incident.status.attempts, stated.value.action_id)
    if verdict != (stated.value.verdict, stated.value.undone):
        wanted = f"{verdict[0] or 'none'}{', undone' if verdict[1] else ''}"
        yield Finding(Kind.OTHER_VERDICT, stated.place, f"the incident's status has another verdict: {wanted}")
