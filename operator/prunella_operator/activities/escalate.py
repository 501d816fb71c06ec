"""Escalate: hand an incident over to people. Status and Event are written by the report; here it is said aloud."""

import structlog

from prunella_workflows.contract import EscalateRequest

_log = structlog.get_logger("prunella.escalation")


class Escalator:
    """Tells people through the log. Channels (chat, mail, tickets) join here by name."""

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
            tried=[f"{one.action}: {one.verdict}" + (" (undone)" if one.undone else "") for one in status.attempts],
            next_step=status.next_step,
            undelivered_channels=list(request.channels),
        )
