"""Replay recorded diagnoses: make each decision again, and compare it with the recorded one. Pure functions."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any, NamedTuple

from prunella_operator.activities.decision import decide
from prunella_operator.reporting.recorded_incident import RecordedDiagnosis, RecordedIncident
from prunella_workflows.contracts.healing import DiagnoseReport
from prunella_workflows.decisions.guards import first_block
from prunella_workflows.model.facts import Facts
from prunella_workflows.model.outcome import Effect
from prunella_workflows.model.redaction import redact_texts

_UNDECIDED = {"diff": "", "record": ""}  # what the decision does not consist of
_BEFORE_A_PLAN = frozenset({Effect.SUPPRESS, Effect.WAIT, Effect.SHOW_ONLY})
"""The effects that count even where there is no step."""
_VERBS = {
    Effect.SUPPRESS: "suppress",
    Effect.WAIT: "wait",
    Effect.SHOW_ONLY: "only show",
    Effect.ASK: "ask for approval",
}
_MISSING = "(nothing)"


@dataclass(frozen=True)
class Change:
    """A decision that differs from the recorded one, or from that by another policy.

    It is that of the diagnosis `number` of `incident`, with each field that differs; `before` and `after` are the
    outcomes in words.
    """

    incident: str
    number: int
    before: str
    after: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Replay:
    """The result for some incidents. `skipped`: diagnoses whose facts were not kept."""

    incidents: int
    decisions: int
    skipped: int
    changes: tuple[Change, ...]


class _Decision(NamedTuple):
    """One diagnosis of an incident, with its facts."""

    incident: RecordedIncident
    number: int
    recorded: RecordedDiagnosis
    facts: Facts


def replay(incidents: Sequence[RecordedIncident]) -> Replay:
    """Make every recorded decision again, and compare it with the recorded one."""
    return _compare(incidents, lambda made: _change(made, made.recorded.report, _decide(made, made.facts)))


def replay_with(incidents: Sequence[RecordedIncident], change: Callable[[Facts], Facts]) -> Replay:
    """Make every decision from its facts and from changed ones, and compare the outcomes.

    Both decisions are those of this version, so that only the change of the facts makes a difference. With another
    policy its name and its limits differ in every decision: fields are not compared.
    """

    def compare(made: _Decision) -> Change | None:
        found = _change(made, _decide(made, made.facts), _decide(made, change(made.facts)))
        return replace(found, fields=()) if found is not None and found.before != found.after else None

    return _compare(incidents, compare)


def _compare(incidents: Sequence[RecordedIncident], compare: Callable[[_Decision], Change | None]) -> Replay:
    decisions = [made for incident in incidents for made in _decisions(incident)]
    return Replay(
        incidents=len(incidents),
        decisions=len(decisions),
        skipped=sum(len(incident.diagnoses) for incident in incidents) - len(decisions),
        changes=tuple(found for found in map(compare, decisions) if found is not None),
    )


def decide_again(incident: RecordedIncident) -> RecordedIncident:
    """The incident with the decisions of this version, to be recorded instead."""
    return incident.model_copy(update={"diagnoses": tuple(map(_decide_again, incident.diagnoses))})


def _decide_again(diagnosis: RecordedDiagnosis) -> RecordedDiagnosis:
    if diagnosis.facts is None:
        return diagnosis
    report = decide(diagnosis.request, diagnosis.facts).model_copy(update={"diff": diagnosis.report.diff})
    return diagnosis.model_copy(update={"report": report})


def _decisions(incident: RecordedIncident) -> Iterator[_Decision]:
    for number, diagnosis in enumerate(incident.diagnoses, start=1):
        if diagnosis.facts is not None:
            yield _Decision(incident, number, diagnosis, diagnosis.facts)


def _decide(made: _Decision, facts: Facts) -> DiagnoseReport:
    return decide(made.recorded.request, facts)


def _change(made: _Decision, before: DiagnoseReport, after: DiagnoseReport) -> Change | None:
    old, new = canonical(before), canonical(after)
    if json.dumps(old) == json.dumps(new):
        return None
    fields = tuple(_differences(old, new))
    return Change(str(made.incident), made.number, outcome(before), outcome(after), fields)


def canonical(report: DiagnoseReport) -> Any:
    """A decision as it is compared: all its fields, as JSON and without secrets."""
    return redact_texts(report.model_copy(update=_UNDECIDED).model_dump(mode="json", by_alias=True))


def outcome(report: DiagnoseReport) -> str:
    """The cause, and the next move of the workflow after this diagnosis, in words."""
    return f"{report.diagnosis.cause}: {next_move(report)}"


def next_move(report: DiagnoseReport) -> str:
    """The next move of the workflow after this diagnosis, in words."""
    plan, block = report.plan, first_block(report.guards)
    does = str(plan.steps[0].action) if plan.steps else f"escalate ({plan.reason}: {plan.message})"
    if block is not None and (plan.steps or block.effect in _BEFORE_A_PLAN):
        does = f"{_VERBS.get(block.effect, 'escalate')} ({block.name}: {block.message})"
        does += f" instead of: {plan.steps[0].action}" if plan.steps else ""
    return does


def _differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """One line for each value that differs, such as `plan.steps[0].action.limitTo: 1 -> 2`."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key, _MISSING), new.get(key, _MISSING), f"{path}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list):
        for index, (one, other) in enumerate(zip_longest(old, new, fillvalue=_MISSING)):
            yield from _differences(one, other, f"{path}[{index}]")
    elif old != new:
        yield f"{path}: {_text(old)} -> {_text(new)}"


def _text(value: Any) -> str:
    return value if value == _MISSING else json.dumps(value, ensure_ascii=False)
