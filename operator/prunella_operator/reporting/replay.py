"""Replay recorded diagnoses: make each decision again, and compare it with the recorded one. Pure functions."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

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
    """A decision that is no longer the recorded one: the diagnosis `number` of `incident`, and each field that differs.

    `before` and `after` are the outcomes in words.
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

    def with_other_outcomes(self) -> "Replay":
        """Only the changes of outcomes: with another policy its name and its limits differ in every decision."""
        changes = (replace(change, fields=()) for change in self.changes if change.before != change.after)
        return replace(self, changes=tuple(changes))


def replay(incidents: Sequence[RecordedIncident], change: Callable[[Facts], Facts] = lambda facts: facts) -> Replay:
    """Make every recorded decision again, from its facts or from changed ones."""
    kept = [facts for incident in incidents for facts in incident.diagnoses if facts.facts is not None]
    return Replay(
        incidents=len(incidents),
        decisions=len(kept),
        skipped=sum(len(incident.diagnoses) for incident in incidents) - len(kept),
        changes=tuple(found for incident in incidents for found in _changes(incident, change)),
    )


def decide_again(incident: RecordedIncident) -> RecordedIncident:
    """The incident with the decisions of this version, to be recorded instead."""
    return incident.model_copy(update={"diagnoses": tuple(map(_decide_again, incident.diagnoses))})


def _decide_again(diagnosis: RecordedDiagnosis) -> RecordedDiagnosis:
    if diagnosis.facts is None:
        return diagnosis
    report = decide(diagnosis.request, diagnosis.facts).model_copy(update={"diff": diagnosis.report.diff})
    return diagnosis.model_copy(update={"report": report})


def _changes(incident: RecordedIncident, change: Callable[[Facts], Facts]) -> Iterator[Change]:
    for number, diagnosis in enumerate(incident.diagnoses, start=1):
        if diagnosis.facts is None:
            continue
        before, after = diagnosis.report, decide(diagnosis.request, change(diagnosis.facts))
        old, new = canonical(before), canonical(after)
        if json.dumps(old) != json.dumps(new):
            yield Change(str(incident), number, outcome(before), outcome(after), tuple(_differences(old, new)))


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
