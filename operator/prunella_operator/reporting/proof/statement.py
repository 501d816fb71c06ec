"""Statements: what a write was made from, what it changed, and what came of it.

A statement is kept as the JSON object that stands in the file, because that is what is hashed and signed.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.digest import canonical, digest
from prunella_operator.reporting.proof.signing import Sign
from prunella_operator.reporting.recorded_orders import RecordedOrder, RecordedWork
from prunella_workflows.model import plan
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentRef
from prunella_workflows.model.incident_status import Attempt
from prunella_workflows.model.plan import Action, PodRef, Precondition
from prunella_workflows.model.redaction import redact_texts

Object = dict[str, Any]


class Intent(Value):
    """The write that an action makes: the object's path in the API, its pods, the change in words, what it requires."""

    action: str
    path: str
    change: str
    precondition: Precondition
    pods: tuple[PodRef, ...] = ()


class Statement(Value):
    """The statement about one order of an incident. They are numbered from 1.

    `previous` is the hash of the statement before. `evidence` and `policies` are hashes of the facts, and of the
    policies among them, of the export's diagnosis with the number `diagnosis`; "" where they were not kept. `read` is
    the version of the object that the patch was made from, and `patch` the patch's hash; "" where an earlier attempt of
    the order sent it. `outcome` is Applied or the type of the error, `verdict` that of the verification.
    """

    number: int
    previous: str
    incident: IncidentRef
    order: str
    action_id: str
    intent: Intent
    diagnosis: int
    evidence: str
    policies: str
    approved_by: str
    worker: str
    ordered_at: datetime
    ended_at: datetime | None = None
    outcome: str
    written_at: datetime | None = None
    read: str
    patch: str
    template_hash: str
    verdict: str
    undone: bool
    signature: str = ""


def intent_of(action: Action) -> Intent:
    """The write of an action, without secrets."""
    intent = Intent(
        action=action.kind,
        path=_path(action),
        change=str(action),
        precondition=action.require,
        pods=_pods(action),
    )
    return Intent.model_validate(redact_texts(intent.to_object()))


def make_statements(incident: IncidentRef, facts: Sequence[Object | None], work: RecordedWork) -> tuple[Object, ...]:
    """The statements about the orders of an incident, without signatures. `facts`: of each diagnosis, as exported."""
    return seal(_state(incident, facts, order, work.attempts) for order in work.orders)


def seal(statements: Iterable[Object], sign: Sign | None = None) -> tuple[Object, ...]:
    """Number the statements, let each hold the hash of the one before, and sign them if there is a key."""
    return tuple(_sealed(statements, sign))


def _sealed(statements: Iterable[Object], sign: Sign | None) -> Iterator[Object]:
    previous = ""
    for number, statement in enumerate(statements, start=1):
        sealed = {**unsigned(statement), "number": number, "previous": previous}
        if sign is not None:
            sealed["signature"] = sign(canonical(sealed))
        yield sealed
        previous = digest(sealed)


def unsigned(statement: Object) -> Object:
    """The part of a statement that is signed."""
    return {key: value for key, value in statement.items() if key != "signature"}


def policies_of(facts: Object) -> Any:
    """The policies that a decision was made by."""
    return facts.get("policies", [])


def outcome_of(attempts: Iterable[Attempt], action_id: str) -> tuple[str, bool]:
    """The verdict of a repair, "" if it has none, and whether it was undone."""
    found = [attempt for attempt in attempts if attempt.action_id == action_id]
    return (found[-1].verdict or "", found[-1].undone) if found else ("", False)


def _state(
    incident: IncidentRef, facts: Sequence[Object | None], order: RecordedOrder, attempts: Iterable[Attempt]
) -> Object:
    known = facts[order.diagnosis - 1] if order.diagnosis else None
    done, sent = order.repaired, order.repaired.sent if order.repaired is not None else None
    answer = order.order.answer
    verdict, undone = outcome_of(attempts, order.order.action_id)
    statement = Statement(
        number=0,
        previous="",
        incident=incident,
        order=order.kind,
        action_id=order.order.action_id,
        intent=intent_of(order.order.action),
        diagnosis=order.diagnosis,
        evidence=digest(known) if known is not None else "",
        policies=digest(policies_of(known)) if known is not None else "",
        approved_by=answer.by if answer is not None else "",
        worker=order.worker,
        ordered_at=order.ordered_at,
        ended_at=order.ended_at,
        outcome=order.outcome,
        written_at=done.written_at if done is not None else None,
        read=sent.read if sent is not None else "",
        patch=sent.patch if sent is not None else "",
        template_hash=done.template_hash if done is not None else "",
        verdict=verdict,
        undone=undone,
    )
    return unsigned(redact_texts(statement.to_object()))


def _path(action: Action) -> str:
    if isinstance(action, plan.RaiseMaxReplicas):
        return paths.autoscalers(action.target.namespace, action.autoscaler)
    return paths.workload(action.target)


def _pods(action: Action) -> tuple[PodRef, ...]:
    match action:
        case plan.ResizePods() | plan.EvictPods():
            return action.pods
        case plan.SetMemory() | plan.RestoreTemplate() | plan.Restart():
            return action.replace_pods
        case plan.Scale() | plan.RaiseMaxReplicas():
            return ()
