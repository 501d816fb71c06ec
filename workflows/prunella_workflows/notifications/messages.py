"""Messages about an incident: pure functions of its status."""

from datetime import timedelta

from prunella_workflows.contracts.notifications import Message
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident import IncidentRef, IncidentSpec
from prunella_workflows.model.incident_status import Attempt, Delivery, DeliveryResult, IncidentStatus

_MAX_EVIDENCE = 8


def approval_requested(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus) -> Message:
    """A repair waits for approval: what it would change, and how to answer."""
    message = _message(
        ref,
        spec,
        status,
        title=f"{_target(spec, status)} in {ref.namespace} waits for approval: {status.plan}",
        what=f"{_sentence(status.message)} What was seen: {status.fault or spec.type}.",
    )
    answer = f"prunella incidents approve {ref.name} -n {ref.namespace}"
    next_step = f"Approve: {answer} (or reject: {answer.replace('approve', 'reject', 1)} --reason WHY)"
    return message.model_copy(update={"proposed": status.diff, "next_step": next_step})


def escalated(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus) -> Message:
    """The incident was escalated: everything a person needs to take over."""
    return _message(
        ref,
        spec,
        status,
        title=f"{_target(spec, status)} in {ref.namespace} needs a person: {status.reason}",
        what=f"{_sentence(status.message)} What was seen: {status.fault or spec.type}.",
    )


def unacknowledged(message: Message, waited: timedelta) -> Message:
    """The message for the next level, because no one has acknowledged."""
    since = f"No one has acknowledged this for {format_duration(waited.total_seconds())}."
    return message.model_copy(update={"what": f"{since} {message.what}"})


def acknowledged(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, who: str) -> Message:
    """A person has acknowledged the incident."""
    title = f"{_target(spec, status)} in {ref.namespace}: acknowledged by {who}"
    return _message(ref, spec, status, title=title, what=f"{who} has acknowledged the incident.")


def resolved(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, why: str) -> Message:
    """No person is needed any more."""
    title = f"{_target(spec, status)} in {ref.namespace} no longer needs a person"
    message = _message(ref, spec, status, title=title, what=why)
    return message.model_copy(update={"next_step": "", "evidence": (), "changed": ""})


def delivery_event(delivery: Delivery) -> tuple[str, str, str]:
    """The result of a delivery, as type, reason and note of an Event."""
    if delivery.result is DeliveryResult.FAILED:
        return (
            "Warning",
            "NotifyFailed",
            f"{delivery.channel}: {delivery.result}, {delivery.reason}: {delivery.message}",
        )
    return "Normal", "Notified", f"{delivery.channel}: {delivery.result}"


def _message(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, *, title: str, what: str) -> Message:
    diagnosis = next((condition.message for condition in status.conditions if condition.type == "Diagnosed"), "")
    confidence = f" ({status.confidence})" if status.confidence else ""
    return Message(
        thread=ref.uid,
        severity=spec.severity,
        title=title,
        where=f"{_target(spec, status)} in namespace {ref.namespace}",
        what=what,
        cause=f"{status.root_cause}{confidence}: {diagnosis}" if status.root_cause else "",
        evidence=status.evidence[:_MAX_EVIDENCE],
        tried=tuple(map(_format_attempt, status.attempts)),
        changed=_applied_diffs(status),
        next_step=status.next_step,
        incident=ref,
        workflow=status.workflow,
        trace_id=status.trace_id,
    )


def _format_attempt(attempt: Attempt) -> str:
    values = ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())
    undone = ", undone" if attempt.undone else ""
    why = f": {attempt.message}" if attempt.message else ""
    return f"{attempt.action} of {attempt.target} ({values}): {attempt.verdict or 'not known'}{undone}{why}"


def _applied_diffs(status: IncidentStatus) -> str:
    """The diffs of repairs that were not undone."""
    return "\n".join(
        attempt.diff for attempt in status.attempts if attempt.written_at is not None and not attempt.undone
    )


def _target(spec: IncidentSpec, status: IncidentStatus) -> str:
    target = spec.target
    return status.target or (f"{target.kind}/{target.name}" if target else f"Pod/{spec.pod_name}")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
