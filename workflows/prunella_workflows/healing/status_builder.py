"""The status of an incident outside of attempts and approval: diagnosis, phase and end.

Used inside the workflow, so every time is an argument. Conditions are the machine's view, the phase is the users';
both are computed by the status builders and nowhere else.
"""

from datetime import datetime

from prunella_workflows.contracts.healing import DiagnoseReport
from prunella_workflows.healing.events import NORMAL, WARNING
from prunella_workflows.healing.state import HealingState
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident_status import CausedBy, EscalationNote, GuardNote, Phase
from prunella_workflows.model.outcome import Sighting
from prunella_workflows.model.workload import WorkloadRef

_SUCCESS = frozenset({Phase.HEALED, Phase.RECOVERED})
_NEUTRAL = frozenset({Phase.DRY_RUN_DONE, Phase.SUPPRESSED, Phase.CANCELLED})


class StatusBuilder:
    """Builds the status of one incident step by step, with the Events that go with it."""

    def __init__(self, state: HealingState) -> None:
        self._state = state

    def target_found(self, target: WorkloadRef, message: str) -> None:
        """The target is resolved and the fault was checked."""
        self._state.update(target=str(target), message=message)

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
            plan=capitalize(str(plan.steps[0].action)) if plan.steps else "",
            diff=report.diff,
            next_step=plan.next_step,
            times=times if times.diagnosed_at else times.model_copy(update={"diagnosed_at": now}),
        )
        self._state.set_condition("Diagnosed", "True", _camel_case(diagnosis.cause), diagnosis.message, now)
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
        self._state.update(
            phase=phase,
            reason=reason,
            message=message,
            times=times,
            healed_in=format_duration((now - start).total_seconds()) if healed else "",
        )
        self._state.set_condition("Succeeded", "True" if healed else "False", phase.value, message, now)
        kind = NORMAL if healed or phase in _NEUTRAL else WARNING
        self._state.events.post(kind, phase.value, "Close", f"{reason}: {message}")


def capitalize(text: str) -> str:
    """The text with its first letter in upper case."""
    return text[:1].upper() + text[1:]


def _camel_case(text: str) -> str:
    return "".join(part.capitalize() for part in text.split("_"))
