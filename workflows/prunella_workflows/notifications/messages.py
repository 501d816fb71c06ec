"""Messages about an incident: pure functions of its status."""

from datetime import timedelta

from prunella_workflows.contracts.notifications import Message
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident import IncidentRef, IncidentSpec
from prunella_workflows.model.incident_status import Attempt, Delivery, DeliveryResult, IncidentStatus
from prunella_workflows.model.proposal import proposal_id

_MAX_EVIDENCE = 8


def approval_requested(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus) -> Message:
    """A repair waits for approval: what it would change, and how to answer."""
    message = _message(ref, spec, status, f" waits for approval: {status.plan}")
    answer = f"prunella incidents approve {ref.name} -n {ref.namespace}"
    next_step = f"Approve: {answer} (or reject: {answer.replace('approve', 'reject', 1)} --reason WHY)"
    proposed = {"proposed": status.diff, "proposal": proposal_id(status)}
    return message.model_copy(update={**proposed, "next_step": next_step})


def escalated(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus) -> Message:
    """The incident was escalated: everything a person needs to take over."""
    return _message(ref, spec, status, f" needs a person: {status.reason}")


def unacknowledged(message: Message, waited: timedelta) -> Message:
    """The message for the next level, because no one has acknowledged."""
    since = f"No one has acknowledged this for {format_duration(waited.total_seconds())}."
    return message.model_copy(update={"what": f"{since} {message.what}"})


def acknowledged(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, who: str) -> Message:
    """A person has acknowledged the incident."""
    return _message(ref, spec, status, f": acknowledged by {who}", f"{who} has acknowledged the incident.")


def resolved(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, why: str) -> Message:
    """No person is needed any more."""
    message = _message(ref, spec, status, " no longer needs a person", why)
    return message.model_copy(update={"next_step": "", "evidence": (), "changed": ""})


def delivery_event(delivery: Delivery) -> tuple[str, str, str]:
    """The result of a delivery, as type, reason and note of an Event."""
    if delivery.result is DeliveryResult.FAILED:
        note = f"{delivery.channel}: {delivery.result}, {delivery.reason}: {delivery.message}"
        return "Warning", "NotifyFailed", note
    return "Normal", "Notified", f"{delivery.channel}: {delivery.result}"


def _message(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, ending: str, what: str = "") -> Message:
    """A message whose title ends like this. Without `what` it describes the status and the fault."""
    target, text = _target(spec, status), status.message
    sentence = text if text.endswith((".", "!", "?")) else f"{text}."
    diagnosis = next((condition.message for condition in status.conditions if condition.type == "Diagnosed"), "")
    confidence = f" ({status.confidence})" if status.confidence else ""
    return Message(
        thread=ref.uid,
        severity=spec.severity,
        title=f"{target} in {ref.namespace}{ending}",
        where=f"{target} in namespace {ref.namespace}",
        what=what or f"{sentence} What was seen: {status.fault or spec.type}.",
        cause=f"{status.root_cause}{confidence}: {diagnosis}" if status.root_cause else "",
        evidence=status.evidence[:_MAX_EVIDENCE],
        tried=tuple(map(_format_attempt, status.attempts)),
        changed="\n".join(made.diff for made in status.attempts if made.written_at is not None and not made.undone),
        next_step=status.next_step,
        incident=ref,
        workflow=status.workflow,
        trace_id=status.trace_id,
    )


def _format_attempt(attempt: Attempt) -> str:
    values = ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())
    undone = ", undone" if attempt.undone else ""
    why = f": {attempt.message}" if attempt.message else ""
    by = f" by incident {attempt.incident}" if attempt.incident else ""
    return f"{attempt.action} of {attempt.target} ({values}){by}: {attempt.verdict or 'not known'}{undone}{why}"


def _target(spec: IncidentSpec, status: IncidentStatus) -> str:
    target = spec.target
    return status.target or (f"{target.kind}/{target.name}" if target else f"Pod/{spec.pod_name}")
