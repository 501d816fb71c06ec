"""The story of one incident: turns what happens in the workflow into the status that people read.

Used inside the workflow, so it takes every time as an argument. Conditions are the machine's view, the phase is
the people's; both are computed here and nowhere else.
"""

from datetime import datetime
from typing import Any

from prunella_workflows.contracts.healing import DiagnoseReport, EventNote, HealingRequest, Repaired, workflow_id
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident import Approval
from prunella_workflows.model.incident_status import (
    Attempt,
    CausedBy,
    Condition,
    Delivery,
    EscalationNote,
    GuardNote,
    IncidentStatus,
    Phase,
    Times,
    WorkflowLink,
)
from prunella_workflows.model.outcome import Effect, GuardResult, Judgement, Sighting, Verdict
from prunella_workflows.model.plan import Step
from prunella_workflows.model.workload import WorkloadRef
from prunella_workflows.notifications.messages import delivery

_SUCCESS = frozenset({Phase.HEALED, Phase.RECOVERED})
_NOT_MADE = "NotApplied"
_UNKNOWN = "Unknown"
_NO_APPROVER = "NotAnApprover"
_NEUTRAL = frozenset({Phase.DRY_RUN_DONE, Phase.SUPPRESSED, Phase.CANCELLED})


class StatusBuilder:
    """Builds an IncidentStatus step by step, and the Events that go with it."""

    def __init__(self, request: HealingRequest, run_id: str, now: datetime) -> None:
        self._events: list[EventNote] = []
        self._told = 0
        self._known = ""
        self._held = ""
        self._holding: dict[str, str] = {}
        self.obstacle = ""
        self.waiting_for = ""
        self.waiting_since: datetime | None = None
        spec = request.spec
        self.status = IncidentStatus(
            phase=Phase.CONFIRMING,
            reason="Started",
            message="Looking whether the fault persists.",
            fault=spec.description or spec.type,
            workflow=WorkflowLink(id=workflow_id(request.incident.uid), run_id=run_id),
            trace_id=request.trace_id,
            times=Times(
                fault_at=request.fault_at, detected_at=request.detected_at or request.opened_at, started_at=now
            ),
        )
        self._condition("Succeeded", "Unknown", "Open", "", now)

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far."""
        return self.status.attempts

    def take_events(self) -> tuple[EventNote, ...]:
        """The events that were not reported yet."""
        events, self._events = tuple(self._events), []
        return events

    def tell_again(self, events: tuple[EventNote, ...]) -> None:
        """Events whose report failed go out with the next one; their keys make a repetition harmless."""
        self._events = [*events, *self._events]

    def found(self, target: WorkloadRef, message: str) -> None:
        """The target is known and the fault was looked at."""
        self._set(target=str(target), message=message)

    def phase(self, phase: Phase, reason: str, message: str) -> None:
        """The incident moves on."""
        self._set(phase=phase, reason=reason, message=message)

    def diagnosed(self, report: DiagnoseReport, now: datetime) -> None:
        """The root cause is known."""
        diagnosis, plan = report.diagnosis, report.plan
        self._tell_guards(report.guards)
        self._caused_by(report.caused_by, now)
        first = plan.steps[0] if plan.steps else None
        times = self.status.times
        self._set(
            root_cause=diagnosis.cause,
            confidence=f"{diagnosis.confidence:.0%}",
            message=diagnosis.message,
            evidence=report.evidence,
            guards=tuple(
                GuardNote(name=guard.name, held=guard.held, reason=guard.reason, message=guard.message)
                for guard in report.guards
            ),
            plan=_plan_text(first),
            diff=report.diff,
            next_step=plan.next_step,
            times=times if times.diagnosed_at else times.model_copy(update={"diagnosed_at": now}),
        )
        self._condition("Diagnosed", "True", _camel(diagnosis.cause), diagnosis.message, now)
        if (news := f"{diagnosis.cause}: {diagnosis.message}") != self._known:  # a wait looks again and again
            self._known = news
            self._event("Normal", "Diagnosed", "Diagnose", news)

    def _caused_by(self, note: CausedBy | None, now: datetime) -> None:
        """What causes the fault elsewhere is known, is another one, or is ruled out again."""
        target = note.target if note is not None else ""
        if target != self.waiting_for:
            self.waiting_for, self.waiting_since = target, now if target else None
            if note is not None:
                self._event("Normal", "CausedElsewhere", "Diagnose", note.message)
        self._set(caused_by=note)

    def recovery(self, sighting: Sighting) -> tuple[str, str]:
        """Why the fault is gone, and how that is seen: with what caused it, where something else did."""
        cause = self.status.caused_by
        if cause is None:
            return sighting.reason, sighting.message
        return "RecoveredWithCause", f"{cause.target} was the cause, and is well again: {sighting.message}"

    def _tell_guards(self, answers: tuple[GuardResult, ...]) -> None:
        """An Event for each guard that begins to hold, holds for another reason, or holds no longer.

        That a person must agree first is told where the person is asked.
        """
        before, self._holding = self._holding, {}
        for answer in answers:
            if answer.held and answer.effect is not Effect.ASK:
                self._holding[answer.name] = answer.reason
                if before.get(answer.name) != answer.reason:
                    kind = "Warning" if answer.effect is Effect.ESCALATE else "Normal"
                    self._event(kind, "GuardBlocked", "Guard", f"{answer.name}: {answer.reason}: {answer.message}")
            elif answer.name in before:
                self._event("Normal", "GuardCleared", "Guard", f"{answer.name} holds nothing back any more.")

    def asking(self, now: datetime) -> None:
        """A person has to agree first. What was said about an answer that does not count stays in place."""
        message = f"Waiting for a person to approve: {self.status.plan}."
        refused = any(
            (condition.type, condition.reason) == ("Approved", _NO_APPROVER) for condition in self.status.conditions
        )
        if refused:
            self.phase(Phase.AWAITING_APPROVAL, _NO_APPROVER, self.status.message)
        else:
            self.phase(Phase.AWAITING_APPROVAL, "ApprovalNeeded", message)
            self.approval("Unknown", "ApprovalNeeded", message, now)

    def asked(self, told: tuple[Delivery, ...]) -> None:
        """People were told that an answer is needed."""
        for one in told:
            kind, reason, note = delivery(one)
            self._event(kind, reason, "Approve", note)

    def turned_away(self, answer: Approval, approvers: tuple[str, ...], now: datetime) -> None:
        """Somebody answered who may not."""
        who, may = answer.by or "Somebody", " or ".join(approvers)
        message = f"{who} may not approve ({answer.decision}); waiting for {may}: {self.status.plan}."
        self._set(message=message)
        self.approval("Unknown", _NO_APPROVER, message, now)

    def answer_ignored(self, answer: Approval, counts: Approval) -> None:
        """An answer came after one that counts."""
        first = f"{counts.decision} by {counts.by or 'somebody'}"
        note = f"{answer.decision} by {answer.by or 'somebody'} came too late: {first} counts."
        self._event("Warning", "AnswerIgnored", "Approve", note)

    def approval(self, answer: str, reason: str, message: str, now: datetime) -> None:
        """A person was asked ("Unknown"), agreed ("True"), or did not ("False"). Told once."""
        if any(
            (condition.type, condition.status, condition.message) == ("Approved", answer, message)
            for condition in self.status.conditions
        ):
            return
        self._condition("Approved", answer, reason, message, now)
        self._event("Normal", reason, "Approve", message)

    def trying(self, step: Step, action_id: str, number: int, diff: str, now: datetime) -> None:
        """A step is about to be made."""
        attempt = Attempt(
            number=number,
            action_id=action_id,
            action=step.action.kind,
            target=str(step.action.target),
            parameters=step.action.parameters,
            diff=diff,
            started_at=now,
        )
        self._set(
            phase=Phase.REPAIRING,
            reason="Repairing",
            message=f"{_sentence(str(step.action))}: {step.why}.".replace("..", "."),
            action=step.action.kind,
            attempts=(*self.status.attempts, attempt),
        )

    def repaired(self, done: Repaired, now: datetime) -> None:
        """The change is in force."""
        self._attempt(written_at=done.written_at, diff=done.diff)
        self._set(
            phase=Phase.VERIFYING,
            reason="Verifying",
            message="The change is made; watching whether it helps.",
            times=self.status.times.model_copy(update={"repaired_at": done.written_at}),
        )
        self._condition("Repaired", "True", self.status.action, "The change is in force.", now)
        self._event("Normal", "Repaired", self.status.action, self._changed())

    def held_back(self, message: str) -> None:
        """A guard said "not now" right before the write: the attempt has not begun, so it is none."""
        self.obstacle = message
        before = self.status.attempts[:-1]
        self._set(attempts=before, action=before[-1].action if before else "")
        self.phase(Phase.DIAGNOSING, "GuardBlocked", message)
        if message != self._held:
            self._held = message
            self._event("Normal", "GuardBlocked", "Guard", message)

    def not_made(self, message: str, now: datetime) -> None:
        """The change was refused or no longer fits; nothing was written."""
        self.obstacle = message
        self._attempt(finished_at=now, verdict=_NOT_MADE, message=message)
        self._event("Warning", "RepairNotMade", self.status.action, message)

    def uncertain(self, message: str, now: datetime) -> None:
        """Nobody can say whether the change was made: neither undo nor another step would be safe."""
        text = f"It is not known whether action {self.attempts[-1].action_id} was made: {message}"
        self._attempt(finished_at=now, verdict=_UNKNOWN, message=text)
        self._event("Warning", "RepairUncertain", self.status.action, text)

    @property
    def outcome_unknown(self) -> bool:
        """Whether the last attempt may or may not be in force."""
        return bool(self.attempts) and self.attempts[-1].verdict == _UNKNOWN

    def left_off(self, now: datetime) -> None:
        """The healing ends early: an attempt that was announced and never made says so."""
        if self.attempts and self.attempts[-1].verdict is None and self.attempts[-1].written_at is None:
            self.not_made("The healing ended before the change was made.", now)

    def progress(self, judgement: Judgement) -> bool:
        """A look that decided nothing yet; True when it says something new."""
        message = judgement.message
        if (self.status.reason, self.status.message) == (judgement.reason, message):
            return False
        changed = self.status.reason != judgement.reason
        self._set(reason=judgement.reason, message=message)
        return changed

    def judged(self, judgement: Judgement, now: datetime) -> None:
        """The verdict on the last attempt."""
        assert judgement.verdict is not None
        good = judgement.verdict is Verdict.HEALED
        self._attempt(finished_at=now, verdict=judgement.verdict, message=judgement.message)
        self._condition("Verified", "True" if good else "False", judgement.reason, judgement.message, now)
        self._event("Normal" if good else "Warning", "Verified", "Verify", f"{judgement.verdict}: {judgement.message}")

    def undone(self, now: datetime) -> None:
        """The last attempt was taken back."""
        self._attempt(undone=True)
        self._condition("Repaired", "False", "Undone", "The change was taken back.", now)
        self._event("Normal", "Undone", "Undo", "The change was taken back.")

    def not_undone(self, message: str) -> None:
        """The last attempt could not be taken back."""
        self._event("Warning", "NotUndone", "Undo", message)

    def escalated(self, reason: str, message: str, next_step: str, now: datetime) -> None:
        """A person takes over."""
        self._set(
            escalation=EscalationNote(reason=reason, message=message, next_step=next_step, at=now),
            next_step=next_step,
        )
        self._condition("Escalated", "True", reason, message, now)
        self._close(Phase.ESCALATED, reason, message, now)

    def closed(self, phase: Phase, reason: str, message: str, now: datetime, next_step: str = "") -> None:
        """The incident is over without a person."""
        self._set(next_step=next_step)
        self._close(phase, reason, message, now)

    def _close(self, phase: Phase, reason: str, message: str, now: datetime) -> None:
        healed = phase in _SUCCESS
        times = self.status.times.model_copy(update={"closed_at": now, "healed_at": now if healed else None})
        start = times.detected_at or times.started_at or now
        self._set(
            phase=phase,
            reason=reason,
            message=message,
            times=times,
            healed_in=format_duration((now - start).total_seconds()) if healed else "",
        )
        self._condition("Succeeded", "True" if healed else "False", phase.value, message, now)
        good = healed or phase in _NEUTRAL
        self._event("Normal" if good else "Warning", phase.value, "Close", f"{reason}: {message}")

    def _changed(self) -> str:
        attempt = self.status.attempts[-1]
        values = ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())
        return f"{attempt.action} of {attempt.target}: {values} (action id {attempt.action_id})"

    def _set(self, **values: Any) -> None:
        self.status = self.status.model_copy(update=values)

    def _attempt(self, **values: Any) -> None:
        *before, last = self.status.attempts
        self._set(attempts=(*before, last.model_copy(update=values)))

    def _condition(self, kind: str, status: str, reason: str, message: str, now: datetime) -> None:
        old = next((condition for condition in self.status.conditions if condition.type == kind), None)
        since = old.last_transition_time if old is not None and old.status == status else now
        new = Condition(type=kind, status=status, reason=reason, message=message, last_transition_time=since)
        others = tuple(condition for condition in self.status.conditions if condition.type != kind)
        self._set(conditions=(*others, new))

    def _event(self, kind: str, reason: str, action: str, note: str) -> None:
        self._told += 1
        self._events.append(EventNote(key=str(self._told), type=kind, reason=reason, action=action, note=note[:1024]))


def _plan_text(step: Step | None) -> str:
    return _sentence(str(step.action)) if step else ""


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _camel(words: str) -> str:
    return "".join(part.capitalize() for part in words.split("_"))
