"""The policy's PromQL checks: what they say about a repair whose pods have held. Pure, like `health`.

A check that is true counts at once. One that is false is asked again, for its query may look back to before the repair;
so is one that has no answer, for what was just started may not have been measured yet. No answer is never health.
"""

import operator
from collections.abc import Callable
from datetime import datetime, timedelta

from prunella_workflows.decisions.verification.verification import Expectation
from prunella_workflows.model import promql
from prunella_workflows.model.base import Value
from prunella_workflows.model.measurement import Answer, NoData, Reading, Why
from prunella_workflows.model.outcome import Judgement, Verdict
from prunella_workflows.model.policy import Check

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_LOOKS_BACK_AT_MOST = 3600.0  # seconds that a query's own range may delay a verdict


class Asked(Value):
    """A check and the answer to its query."""

    check: Check
    answer: Answer

    @property
    def holds(self) -> bool | None:
        """Whether the check is true; None: it has no answer, or compares in a way that we do not know."""
        compare = _HOLDS.get(self.check.operator)
        if isinstance(self.answer, NoData) or compare is None:
            return None
        return compare(self.answer.value, self.check.threshold)

    def __str__(self) -> str:
        check = self.check
        if check.operator not in _HOLDS:
            return f"check {check.name} has the operator {check.operator}, which is not known"
        if isinstance(self.answer, Reading):
            return f"check {check.name} is {self.answer.value:g} and must be {check.operator} {check.threshold:g}"
        return f"check {check.name} has no answer: {self.answer}"


def judge(asked: tuple[Asked, ...], expected: Expectation, since: datetime, now: datetime) -> Judgement:
    """The verdict on a repair whose pods have been well `since` then and held for the window; or still open."""
    if not asked:  # a step that began before checks were recorded with it
        return _unsure("ChecksUnavailable", "It was not recorded which checks of the policy this repair must pass.")
    failed = [one for one in asked if one.holds is False]
    silent = [one for one in asked if one.holds is None]
    held = (now - since).total_seconds()
    if not failed and not silent:
        message = f"the pods are ready and stable for {held:.0f} s and {len(asked)} check(s) are true"
        return Judgement(verdict=Verdict.HEALED, reason="Stable", message=message)
    if now < _until(asked, expected, since) and not _hopeless(silent):
        return Judgement(reason="Checking", message=_told(failed or silent))
    if failed:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="CheckFailed", message=_told(failed))
    return _unsure("ChecksUnavailable", _told(silent))


def _until(asked: tuple[Asked, ...], expected: Expectation, since: datetime) -> datetime:
    """How long checks are asked again: to the deadline, for one more window, and until no query sees the time before.

    Time in which nobody could look does not count.
    """
    window = expected.settle.window
    back = min(_LOOKS_BACK_AT_MOST, max(promql.looks_back(one.check.query) for one in asked))
    return max(expected.deadline, since + timedelta(seconds=window + max(window, back) + expected.blind))


def _hopeless(silent: list[Asked]) -> bool:
    """Whether nobody is there who could ever answer."""
    return any(isinstance(one.answer, NoData) and one.answer.why is Why.NOT_CONFIGURED for one in silent)


def _told(asked: list[Asked]) -> str:
    return "; ".join(str(one) for one in asked[:3])


def _unsure(reason: str, message: str) -> Judgement:
    return Judgement(verdict=Verdict.INCONCLUSIVE, reason=reason, message=message)
