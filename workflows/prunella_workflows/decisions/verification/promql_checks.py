"""Judges a repair whose pods are stable by the policy's PromQL checks.

A check that passes counts at once. One that fails is repeated, because its query may look back to before the repair;
so is one without a result, because new pods may not have been scraped yet. No result never counts as healthy.
"""

import operator
from collections.abc import Callable
from datetime import datetime, timedelta

from prunella_workflows.decisions.verification.expectation import Expectation
from prunella_workflows.model import promql
from prunella_workflows.model.base import Value
from prunella_workflows.model.measurement import Answer, NoData, Reading, Why
from prunella_workflows.model.outcome import Judgement, Verdict, inconclusive
from prunella_workflows.model.policy_verification import Check

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}
_MAX_RANGE_SECONDS = 3600.0  # by which a query's own range may delay a verdict


class CheckResult(Value):
    """A check and the result of its query."""

    check: Check
    result: Answer

    @property
    def passes(self) -> bool | None:
        """Report whether the check passes; None without a result, or with an unknown operator."""
        compare = _HOLDS.get(self.check.operator)
        if isinstance(self.result, NoData) or compare is None:
            return None
        return compare(self.result.value, self.check.threshold)

    def __str__(self) -> str:
        check = self.check
        if check.operator not in _HOLDS:
            return f"check {check.name} has the unknown operator {check.operator}"
        if isinstance(self.result, Reading):
            return f"check {check.name} is {self.result.value:g} and must be {check.operator} {check.threshold:g}"
        return f"check {check.name} has no result: {self.result}"


def judge(results: tuple[CheckResult, ...], expected: Expectation, since: datetime, now: datetime) -> Judgement:
    """The verdict on a repair whose pods have been stable `since` then, for at least the window; or still open."""
    if not results:  # a step that began before checks were recorded with it
        return inconclusive("ChecksUnavailable", "The policy's checks for this repair were not recorded.")
    failed = [result for result in results if result.passes is False]
    unknown = [result for result in results if result.passes is None]
    stable = (now - since).total_seconds()
    if not failed and not unknown:
        message = f"the pods are ready and stable for {stable:.0f} s, and {len(results)} check(s) pass"
        return Judgement(verdict=Verdict.HEALED, reason="Stable", message=message)
    if now < _deadline(results, expected, since) and not _is_unconfigured(unknown):
        return Judgement(reason="Checking", message=_summarise(failed or unknown))
    if failed:
        return Judgement(verdict=Verdict.NOT_HEALED, reason="CheckFailed", message=_summarise(failed))
    return inconclusive("ChecksUnavailable", _summarise(unknown))


def _deadline(results: tuple[CheckResult, ...], expected: Expectation, since: datetime) -> datetime:
    """The time until which checks are repeated: the deadline, one more window, and until no query looks back too far.

    Time in which verification was impossible does not count.
    """
    window = expected.settle.window
    lookback = min(_MAX_RANGE_SECONDS, max(promql.lookback(result.check.query) for result in results))
    return max(expected.deadline, since + timedelta(seconds=window + max(window, lookback) + expected.blind))


def _is_unconfigured(unknown: list[CheckResult]) -> bool:
    """Report whether a check has no metrics source at all, so that repeating it is pointless."""
    results = (check.result for check in unknown)
    return any(isinstance(result, NoData) and result.why is Why.NOT_CONFIGURED for result in results)


def _summarise(results: list[CheckResult]) -> str:
    return "; ".join(str(result) for result in results[:3])
