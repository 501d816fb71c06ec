"""Messages about an alert: pure functions of its state. The renderer escapes their values."""

from typing import Any

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
    if state.enriched.classified.handling is AlertHandlingMode.HEAL:
        next_step = "Nothing yet: Prunella is handling it and will report the outcome."
    else:
        next_step = (
            "See the runbook." if state.enriched.runbook else "Look at the workload, or at what the alert measures."
        )
    return _message(state, state.enriched.classified.severity, f"{state.name} fires", next_step=next_step)


def ended(state: AlertState) -> Message:
    """The outcome of the repair."""
    text, severity = _OUTCOME_TEXTS[state.outcome]
    return _message(
        state,
        severity,
        f"{state.name} {text}",
        cause=state.root_cause,
        tried=state.tried,
        changed=f"{state.reason}: {state.message}"[:_TEXT_LIMIT] if state.message else state.reason,
        next_step=state.next_step,
    )


def resolved(state: AlertState) -> Message:
    """The alert is over."""
    return _message(state, Severity.LOW, f"{state.name} is over")


def silence_comment(state: AlertState) -> str:
    """The reason of a silence, as Alertmanager shows it."""
    assert state.incident is not None
    where = f"{state.incident.namespace}/{state.incident.name}"
    return f"Prunella repairs this now: incident {where}, workflow {alert_workflow_id(state.fingerprint)}."


def _message(state: AlertState, severity: Severity, title: str, **values: Any) -> Message:
    alert, enriched = state.alert, state.enriched
    assert alert is not None
    assert enriched is not None
    target, incident = enriched.target, state.incident
    links = ("Runbook", enriched.runbook), ("Graph", enriched.source)
    return Message(
        thread=incident.uid if incident else state.fingerprint,
        severity=severity,
        title=title[:200],
        where=f"{target.namespace}/{target}" if target else enriched.classified.namespace,
        what=_what(alert),
        evidence=enriched.facts,
        incident=incident,
        workflow=WorkflowLink(id=alert_workflow_id(state.fingerprint)),
        links=tuple(Link(label=label, target=to) for label, to in links if to),
        **values,
    )


def _what(alert: Alert) -> str:
    """The texts of the alerting rule, the summary first."""
    texts = [alert.annotations.get(key, "") for key in ("summary", "description", "message")]
    return ". ".join(dict.fromkeys(text.rstrip(". ") for text in texts if text))[:_TEXT_LIMIT] or alert.name
