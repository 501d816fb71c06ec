"""Messages about an alert: pure functions of its state. The renderer escapes their values."""

from prunella_workflows.contracts.alerts import AlertState, Outcome, alert_workflow_id
from prunella_workflows.contracts.notifications import Link, Message
from prunella_workflows.model.alert import Alert
from prunella_workflows.model.alert_policy import AlertHandlingMode
from prunella_workflows.model.incident import Severity
from prunella_workflows.model.incident_status import WorkflowLink

_TEXT_LIMIT = 1000
_OUTCOME_TEXTS = {
    Outcome.REPAIRED: ("repaired", Severity.LOW),
    Outcome.RECOVERED: ("went away by itself", Severity.LOW),
    Outcome.WITHDRAWN: ("was over before anything was done", Severity.LOW),
    Outcome.OBSERVED: ("not repaired: Prunella only observes there", Severity.HIGH),
    Outcome.ESCALATED: ("could not be repaired: a person is needed", Severity.CRITICAL),
    Outcome.NOT_REPAIRED: ("was not repaired: a person is needed", Severity.CRITICAL),
}
FAILED = frozenset({Outcome.ESCALATED, Outcome.NOT_REPAIRED})
"""Outcomes that leave a critical alert to people."""


def firing(state: AlertState) -> Message:
    """The alert fires: what it is about, and what Prunella does."""
    assert state.enriched is not None
    classified = state.enriched.classified
    return _message(
        state,
        severity=classified.severity,
        title=f"{state.name} fires",
        next_step=_first_step(state),
    )


def ended(state: AlertState) -> Message:
    """The outcome of the repair."""
    text, severity = _OUTCOME_TEXTS[state.outcome]
    return _message(
        state,
        severity=severity,
        title=f"{state.name} {text}",
        cause=state.root_cause,
        tried=state.tried,
        changed=f"{state.reason}: {state.message}"[:_TEXT_LIMIT] if state.message else state.reason,
        next_step=state.next_step,
    )


def resolved(state: AlertState) -> Message:
    """The alert is over."""
    return _message(state, severity=Severity.LOW, title=f"{state.name} is over")


def silence_comment(state: AlertState) -> str:
    """The reason of a silence, as Alertmanager shows it."""
    assert state.incident is not None
    where = f"{state.incident.namespace}/{state.incident.name}"
    return f"Prunella repairs this now: incident {where}, workflow {alert_workflow_id(state.fingerprint)}."


def _message(
    state: AlertState,
    *,
    severity: Severity,
    title: str,
    cause: str = "",
    tried: tuple[str, ...] = (),
    changed: str = "",
    next_step: str = "",
) -> Message:
    alert, enriched = state.alert, state.enriched
    assert alert is not None
    assert enriched is not None
    target, incident = enriched.target, state.incident
    return Message(
        thread=incident.uid if incident else state.fingerprint,
        severity=severity,
        title=title[:200],
        where=f"{target.namespace}/{target}" if target else enriched.classified.namespace,
        what=_what(alert),
        cause=cause,
        evidence=enriched.facts,
        tried=tried,
        changed=changed,
        next_step=next_step,
        incident=incident,
        workflow=WorkflowLink(id=alert_workflow_id(state.fingerprint)),
        links=tuple(
            Link(label=label, target=to)
            for label, to in (("Runbook", enriched.runbook), ("Graph", enriched.source))
            if to
        ),
    )


def _what(alert: Alert) -> str:
    """The texts of the alerting rule, the summary first."""
    texts = [alert.annotations.get(key, "") for key in ("summary", "description", "message")]
    return ". ".join(dict.fromkeys(text.rstrip(". ") for text in texts if text))[:_TEXT_LIMIT] or alert.name


def _first_step(state: AlertState) -> str:
    assert state.enriched is not None
    if state.enriched.classified.handling is AlertHandlingMode.HEAL:
        return "Nothing yet: Prunella is handling it and will report the outcome."
    return "See the runbook." if state.enriched.runbook else "Look at the workload, or at what the alert measures."
