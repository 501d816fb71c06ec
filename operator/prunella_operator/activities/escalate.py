"""Escalate: say aloud in the log that an incident was handed over. The Escalation workflow tells people."""

import structlog

from prunella_workflows.contracts.healing import EscalateRequest

_log = structlog.get_logger("prunella.escalation")


class Escalator:
    """Tells whoever reads the log, which needs no channel and no service."""

    def escalate(self, request: EscalateRequest) -> None:
        """One clear line: what, why, what was tried, what to do now."""
        status = request.status
        _log.error(
            "a person is needed",
            namespace=request.incident.namespace,
            incident=request.incident.name,
            target=status.target,
            cause=status.root_cause,
            reason=status.reason,
            message=status.message,
            tried=[
                f"{attempt.action}: {attempt.verdict}" + (" (undone)" if attempt.undone else "")
                for attempt in status.attempts
            ],
            next_step=status.next_step,
            channels=list(request.channels),
        )
