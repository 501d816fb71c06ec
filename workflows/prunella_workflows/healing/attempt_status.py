"""The attempts of an incident in its status: each change from its announcement to its verdict or undo.

Used inside the workflow, so every time is an argument.
"""

from datetime import datetime

from prunella_workflows.contracts.healing import Repaired
from prunella_workflows.healing.events import NORMAL, WARNING
from prunella_workflows.healing.state import HealingState
from prunella_workflows.healing.status_builder import capitalize
from prunella_workflows.model.incident_status import Attempt, Phase
from prunella_workflows.model.outcome import Judgement, Verdict
from prunella_workflows.model.plan import Step

_NOT_APPLIED = "NotApplied"
_UNKNOWN = "Unknown"


class AttemptStatus:
    """Records the attempts of one incident in its status, with the Events that go with them."""

    def __init__(self, state: HealingState) -> None:
        self._state = state

    def attempt_started(self, step: Step, action_id: str, diff: str, now: datetime) -> None:
        """A change is about to be made."""
        attempt = Attempt(
            number=self._state.orders,
            action_id=action_id,
            action=step.action.kind,
            target=str(step.action.target),
            parameters=step.action.parameters,
            diff=diff,
            started_at=now,
        )
        self._state.update(
            phase=Phase.REPAIRING,
            reason="Repairing",
            message=f"{capitalize(str(step.action))}: {step.why}.".replace("..", "."),
            action=step.action.kind,
            attempts=(*self._state.attempts, attempt),
        )

    def repaired(self, done: Repaired, now: datetime) -> None:
        """The change is applied."""
        state = self._state
        state.update_attempt(written_at=done.written_at, diff=done.diff)
        state.update(
            phase=Phase.VERIFYING,
            reason="Verifying",
            message="Change applied; verifying.",
            times=state.status.times.model_copy(update={"repaired_at": done.written_at}),
        )
        attempt = state.attempts[-1]
        state.set_condition("Repaired", "True", attempt.action, "The change is applied.", now)
        note = f"{attempt.action} of {attempt.target}: {format_parameters(attempt)} (action id {attempt.action_id})"
        state.events.post(NORMAL, "Repaired", attempt.action, note)

    def blocked(self, message: str) -> None:
        """A guard blocked the change right before the write, so the attempt has not begun and is removed."""
        state = self._state
        state.obstacle = message
        earlier = state.attempts[:-1]
        state.update(
            phase=Phase.DIAGNOSING,
            reason="GuardBlocked",
            message=message,
            attempts=earlier,
            action=earlier[-1].action if earlier else "",
        )
        state.events.post_change("GuardBlocked", "Guard", message)

    def not_applied(self, message: str, now: datetime) -> None:
        """The change was refused or no longer fits; nothing was written."""
        self._state.obstacle = message
        self._finish(_NOT_APPLIED, message, "RepairNotMade", now)

    def outcome_unknown(self, message: str, now: datetime) -> None:
        """The change may or may not be applied: neither undo nor another step would be safe."""
        text = f"It is not known whether action {self._state.attempts[-1].action_id} was applied: {message}"
        self._finish(_UNKNOWN, text, "RepairUncertain", now)

    def _finish(self, verdict: str, message: str, reason: str, now: datetime) -> None:
        self._state.update_attempt(finished_at=now, verdict=verdict, message=message)
        self._state.events.post(WARNING, reason, self._state.status.action, message)

    @property
    def is_outcome_unknown(self) -> bool:
        """Whether the last attempt may or may not be applied."""
        return bool(self._state.attempts) and self._state.attempts[-1].verdict == _UNKNOWN

    def abandoned(self, now: datetime) -> None:
        """The healing ends early: an attempt that was announced but not made is finished."""
        if (
            self._state.attempts
            and self._state.attempts[-1].verdict is None
            and not self._state.attempts[-1].written_at
        ):
            self.not_applied("The healing ended before the change was applied.", now)

    def progress(self, judgement: Judgement) -> bool:
        """Take a check without a verdict. True when its reason is new."""
        changed = self._state.status.reason != judgement.reason
        self._state.update(reason=judgement.reason, message=judgement.message)
        return changed

    def judged(self, judgement: Judgement, now: datetime) -> None:
        """The verdict on the last attempt is in."""
        verdict, message = judgement.verdict, judgement.message
        assert verdict is not None
        healed = verdict is Verdict.HEALED
        self._state.update_attempt(finished_at=now, verdict=verdict, message=message)
        self._state.set_condition("Verified", "True" if healed else "False", judgement.reason, message, now)
        self._state.events.post(NORMAL if healed else WARNING, "Verified", "Verify", f"{verdict}: {message}")

    def undone(self, now: datetime) -> None:
        """The last attempt was undone."""
        message = "The change was undone."
        self._state.update_attempt(undone=True)
        self._state.set_condition("Repaired", "False", "Undone", message, now)
        self._state.events.post(NORMAL, "Undone", "Undo", message)

    def not_undone(self, message: str) -> None:
        """The last attempt could not be undone."""
        self._state.events.post(WARNING, "NotUndone", "Undo", message)


def format_parameters(attempt: Attempt) -> str:
    """What the change sets, such as `from 64Mi, to 96Mi`."""
    return ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())
