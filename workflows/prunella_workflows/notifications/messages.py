"""What people are told about an incident, in words. Pure: the status in, a message out."""

from datetime import timedelta

from prunella_workflows.contracts.notifications import Message
from prunella_workflows.model.duration import format_duration
from prunella_workflows.model.incident import IncidentRef, IncidentSpec
from prunella_workflows.model.incident_status import Attempt, Delivery, DeliveryResult, IncidentStatus

_EVIDENCE = 8


def needs_an_answer(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus) -> Message:
    """A repair waits until somebody agrees: what it would change, and how to answer."""
    told = _message(
        ref,
        spec,
        status,
        title=f"{_target(spec, status)} in {ref.namespace} waits for an answer: {status.plan}",
        what=f"{_sentence(status.message)} What was seen: {status.fault or spec.type}.",
    )
    answer = f"prunella incidents approve {ref.name} -n {ref.namespace}"
    next_step = f"Agree: {answer} (or refuse: {answer.replace('approve', 'reject', 1)} --reason WHY)"
    return told.model_copy(update={"proposed": status.diff, "next_step": next_step})


def needs_a_person(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus) -> Message:
    """The incident was handed over: everything that a person needs to take over."""
    return _message(
        ref,
        spec,
        status,
        title=f"{_target(spec, status)} in {ref.namespace} needs a person: {status.reason}",
        what=f"{_sentence(status.message)} What was seen: {status.fault or spec.type}.",
    )


def nobody_came(message: Message, waited: timedelta) -> Message:
    """The same for the next level, because nobody has acknowledged."""
    since = f"Nobody has acknowledged this for {format_duration(waited.total_seconds())}."
    return message.model_copy(update={"what": f"{since} {message.what}"})


def taken_over(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, who: str) -> Message:
    """Somebody acknowledged."""
    title = f"{_target(spec, status)} in {ref.namespace}: {who} has taken over"
    return _message(ref, spec, status, title=title, what=f"{who} has acknowledged the incident.")


def over(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, why: str) -> Message:
    """Nobody is needed any more."""
    title = f"{_target(spec, status)} in {ref.namespace} needs nobody any more"
    told = _message(ref, spec, status, title=title, what=why)
    return told.model_copy(update={"next_step": "", "evidence": (), "changed": ""})


def delivery(one: Delivery) -> tuple[str, str, str]:
    """What became of a message, as type, reason and note of an Event."""
    if one.result is DeliveryResult.FAILED:
        return "Warning", "NotifyFailed", f"{one.channel}: {one.result}, {one.reason}: {one.message}"
    return "Normal", "Notified", f"{one.channel}: {one.result}"


def _message(ref: IncidentRef, spec: IncidentSpec, status: IncidentStatus, *, title: str, what: str) -> Message:
    known = next((condition.message for condition in status.conditions if condition.type == "Diagnosed"), "")
    sure = f" ({status.confidence})" if status.confidence else ""
    return Message(
        thread=ref.uid,
        severity=spec.severity,
        title=title,
        where=f"{_target(spec, status)} in namespace {ref.namespace}",
        what=what,
        cause=f"{status.root_cause}{sure}: {known}" if status.root_cause else "",
        evidence=status.evidence[:_EVIDENCE],
        tried=tuple(map(_tried, status.attempts)),
        changed=_in_force(status),
        next_step=status.next_step,
        incident=ref,
        workflow=status.workflow,
        trace_id=status.trace_id,
    )


def _tried(attempt: Attempt) -> str:
    values = ", ".join(f"{key} {value}" for key, value in attempt.parameters.items())
    undone = ", taken back" if attempt.undone else ""
    why = f": {attempt.message}" if attempt.message else ""
    return f"{attempt.action} of {attempt.target} ({values}): {attempt.verdict or 'not known'}{undone}{why}"


def _in_force(status: IncidentStatus) -> str:
    """What our repairs have left changed; nothing when all were taken back."""
    return "\n".join(
        attempt.diff for attempt in status.attempts if attempt.written_at is not None and not attempt.undone
    )


def _target(spec: IncidentSpec, status: IncidentStatus) -> str:
    wanted = spec.target
    return status.target or (f"{wanted.kind}/{wanted.name}" if wanted else f"Pod/{spec.pod_name}")


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
