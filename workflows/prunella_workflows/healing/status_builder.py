"""The status of an incident, with the Events that go with it. Used inside the workflow: every time is an argument.

Conditions are the machine's view, the phase is the users'; both are computed here and nowhere else.
"""

from datetime import datetime

from prunella_workflows.contracts.healing import DiagnoseReport, Repaired
from prunella_workflows.healing.events import NORMAL, WARNING
from prunella_workflows.healing.state import HealingState
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import Attempt, CausedBy, Delivery, EscalationNote, GuardNote, Phase
from prunella_workflows.model.outcome import NOT_APPROVER, SERVED_BY_EXISTING_PODS, Cause, Judgement, Sighting, Verdict
from prunella_workflows.model.plan import RestoreTemplate, Step
from prunella_workflows.notifications.messages import delivery_event

_SUCCESS = frozenset({Phase.HEALED, Phase.RECOVERED})
_NEUTRAL = frozenset({Phase.DRY_RUN_DONE, Phase.SUPPRESSED, Phase.CANCELLED})
_DISPROVED = frozenset({Verdict.NOT_HEALED, Verdict.WORSE})
_APPROVED = "Approved"
_UNKNOWN = "Unknown"


class StatusBuilder:
    """Builds the status of one incident step by step: diagnosis, approval, attempts and end."""

    def __init__(self, state: HealingState) -> None:
        self._state = state

    def set_phase(self, phase: Phase, reason: str, message: str) -> None:
        """Enter a phase, or stay in it for another reason."""
        self._state.update(phase=phase, reason=reason, message=message)

    def diagnosed(self, report: DiagnoseReport, now: datetime) -> None:
        """The root cause is known."""
        diagnosis, plan = report.diagnosis, report.plan
        self._state.events.post_guards(report.guards)
        self._set_caused_by(report.caused_by, now)
        times = self._state.status.times
        self._state.update(
            root_cause=diagnosis.cause,
            confidence=f"{diagnosis.confidence:.0%}",
            message=diagnosis.message,
            evidence=report.evidence,
            guards=tuple(
                GuardNote(name=guard.name, held=guard.held, reason=guard.reason, message=guard.message)
                for guard in report.guards
            ),
            autonomy=report.autonomy or self._state.status.autonomy,
            plan=capitalize(str(plan.steps[0].action)) if plan.steps else "",
            diff=report.diff,
            next_step=plan.next_step,
            times=times if times.diagnosed_at else times.model_copy(update={"diagnosed_at": now}),
        )
        cause = "".join(part.capitalize() for part in diagnosis.cause.split("_"))
        self._state.set_condition("Diagnosed", "True", cause, diagnosis.message, now)
        self._state.events.post_change("Diagnosed", "Diagnose", f"{diagnosis.cause}: {diagnosis.message}")

    def _set_caused_by(self, note: CausedBy | None, now: datetime) -> None:
        """Note a cause elsewhere that is found, replaced, or ruled out again."""
        state, target = self._state, note.target if note is not None else ""
        if target != state.waiting_for:
            state.waiting_for, state.waiting_since = target, now if target else None
            if note is not None:
                state.events.post(NORMAL, "CausedElsewhere", "Diagnose", note.message)
        state.update(caused_by=note)

    def recovery(self, sighting: Sighting) -> tuple[str, str]:
        """Reason and message for a fault that is gone: together with its cause elsewhere, if there was one."""
        cause = self._state.status.caused_by
        if cause is None:
            return sighting.reason, sighting.message
        return "RecoveredWithCause", f"{cause.target} was the cause and has recovered: {sighting.message}"

    def escalated(self, reason: str, message: str, next_step: str, now: datetime) -> None:
        """The incident is closed and a person is needed."""
        note = EscalationNote(reason=reason, message=message, next_step=next_step, at=now)
        self._state.update(escalation=note, next_step=next_step)
        self._state.set_condition("Escalated", "True", reason, message, now)
        self._close(Phase.ESCALATED, reason, message, now)

    def closed(self, phase: Phase, reason: str, message: str, now: datetime, next_step: str = "") -> None:
        """The incident is closed and no person is needed."""
        self._state.update(next_step=next_step)
        self._close(phase, reason, message, now)

    def _close(self, phase: Phase, reason: str, message: str, now: datetime) -> None:
        healed = phase in _SUCCESS
        times = self._state.status.times.model_copy(update={"closed_at": now, "healed_at": now if healed else None})
        start = times.detected_at or times.started_at or now
        healed_in = format_duration((now - start).total_seconds()) if healed else ""
        self._state.update(phase=phase, reason=reason, message=message, times=times, healed_in=healed_in)
        self._state.set_condition("Succeeded", "True" if healed else "False", phase.value, message, now)
        kind = NORMAL if healed or phase in _NEUTRAL else WARNING
        self._state.events.post(kind, phase.value, "Close", f"{reason}: {message}")

    def approval_requested(self, now: datetime) -> None:
        """A person has to approve first. A message about an answer that does not count stays in place."""
        state, message = self._state, f"Waiting for a person to approve: {self._state.status.plan}."
        condition = state.condition(_APPROVED)
        if condition is not None and condition.reason == NOT_APPROVER:
            state.update(phase=Phase.AWAITING_APPROVAL, reason=NOT_APPROVER)
        else:
            state.update(phase=Phase.AWAITING_APPROVAL, reason="ApprovalNeeded", message=message)
            self._set("Unknown", "ApprovalNeeded", message, now)

    def approvers_notified(self, deliveries: tuple[Delivery, ...]) -> None:
        """The channels were notified of the request."""
        for delivery in deliveries:
            kind, reason, note = delivery_event(delivery)
            self._state.events.post(kind, reason, "Approve", note)

    def approver_rejected(self, answer: Approval, approvers: tuple[str, ...], now: datetime) -> None:
        """Someone answered who is no approver."""
        who, allowed = answer.by or "Someone", " or ".join(approvers)
        message = f"{who} may not approve ({answer.decision}); waiting for {allowed}: {self._state.status.plan}."
        self._state.update(message=message)
        self._set("Unknown", NOT_APPROVER, message, now)

    def answer_ignored(self, answer: Approval, counts: Approval) -> None:
        """An answer came after the one that counts."""
        late, first = (f"{one.decision} by {author(one)}" for one in (answer, counts))
        note = f"{late} came too late: {first} counts."
        self._state.events.post(WARNING, "AnswerIgnored", "Approve", note)

    def approved(self, who: str, now: datetime) -> None:
        """An approver approved the repair."""
        self._set("True", _APPROVED, f"Approved by {who}", now)

    def rejected(self, who: str, now: datetime) -> None:
        """An approver rejected the repair."""
        self._set("False", "Rejected", f"Rejected by {who}", now)

    def _set(self, value: str, reason: str, message: str, now: datetime) -> None:
        old = self._state.condition(_APPROVED)
        if old is None or (old.status, old.message) != (value, message):
            self._state.set_condition(_APPROVED, value, reason, message, now)
            self._state.events.post(NORMAL, reason, "Approve", message)

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
        times = state.status.times.model_copy(update={"repaired_at": done.written_at})
        state.update(phase=Phase.VERIFYING, reason="Verifying", message="Change applied; verifying.", times=times)
        attempt = state.attempts[-1]
        state.set_condition("Repaired", "True", attempt.action, "The change is applied.", now)
        note = f"{attempt.action} of {attempt.target}: {format_parameters(attempt)} (action id {attempt.action_id})"
        state.events.post(NORMAL, "Repaired", attempt.action, note)

    def earlier_replaced(self) -> None:
        """The change took the place of an earlier incident's: its undo leaves neither in force."""
        *earlier, last = self._state.attempts
        self._state.update(attempts=(*(made.model_copy(update={"undone": True}) for made in earlier), last))

    def blocked(self, message: str) -> None:
        """A guard blocked the change right before the write, so the attempt has not begun and is removed."""
        state, earlier = self._state, self._state.attempts[:-1]
        state.obstacle = message
        state.update(attempts=earlier, action=earlier[-1].action if earlier else "")
        self.set_phase(Phase.DIAGNOSING, "GuardBlocked", message)
        state.events.post_change("GuardBlocked", "Guard", message)

    def not_applied(self, message: str, now: datetime) -> None:
        """The change was refused or no longer fits; nothing was written."""
        self._state.obstacle = message
        self._finish("NotApplied", message, "RepairNotMade", now)

    def outcome_unknown(self, message: str, now: datetime) -> None:
        """The change may or may not be applied: neither undo nor another step would be safe."""
        text = f"It is not known whether action {self._state.attempts[-1].action_id} was applied: {message}"
        self._finish(_UNKNOWN, text, "RepairUncertain", now)

    def _finish(self, verdict: str, message: str, reason: str, now: datetime) -> None:
        self._state.update_attempt(finished_at=now, verdict=verdict, message=message)
        self._state.events.post(WARNING, reason, self._state.status.action, message)

    @property
    def is_outcome_unknown(self) -> bool:
        """True when the last attempt may or may not be applied."""
        return bool(self._state.attempts) and self._state.attempts[-1].verdict == _UNKNOWN

    def abandoned(self, now: datetime) -> None:
        """The healing ends early: an attempt that was announced but not made is finished."""
        if self._state.attempts and (last := self._state.attempts[-1]).verdict is None and not last.written_at:
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
        proven = _UNKNOWN if judgement.reason == SERVED_BY_EXISTING_PODS else str(healed)
        self._state.update_attempt(finished_at=now, verdict=verdict, message=message)
        if verdict in _DISPROVED:
            self._acquit_release(now)
        self._state.set_condition("Verified", proven, judgement.reason, message, now)
        self._state.events.post(NORMAL if healed else WARNING, "Verified", "Verify", f"{verdict}: {message}")

    def _acquit_release(self, now: datetime) -> None:
        """If a rollback did not help, the release was not the cause, and no other is known until the next diagnosis."""
        rolled_back = self._state.attempts[-1].action == RestoreTemplate.__name__
        if not rolled_back or self._state.status.root_cause != Cause.BAD_RELEASE:
            return
        self._state.update(root_cause=Cause.UNKNOWN, confidence="")
        self._state.set_condition("Diagnosed", "Unknown", "RollbackDidNotHelp", "A rollback did not help.", now)

    def undone(self, now: datetime) -> None:
        """The last attempt was undone."""
        self._state.update_attempt(undone=True)
        self._state.set_condition("Repaired", "False", "Undone", "The change was undone.", now)
        self._state.events.post(NORMAL, "Undone", "Undo", "The change was undone.")

    def not_undone(self, message: str) -> None:
        """The last attempt could not be undone."""
        self._state.events.post(WARNING, "NotUndone", "Undo", message)


def capitalize(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def format_parameters(attempt: Attempt) -> str:
    """The values that the change sets, such as `from 64Mi, to 96Mi`."""
    return ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())


def author(answer: Approval) -> str:
    """The name of the person who answered."""
    return answer.by or "someone"
