"""One statement and one write of the audit log: whether the write is the one that is stated."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.digest import digest
from prunella_operator.kubernetes.times import parse_annotation_time
from prunella_operator.reporting.proof.audit_log import LoggedWrite
from prunella_operator.reporting.proof.bodies import required_uid, set_annotation, tested
from prunella_operator.reporting.proof.exports import REPAIR, Stated
from prunella_operator.reporting.proof.finding import Finding, Kind, Unchecked
from prunella_operator.reporting.proof.operations import is_within, makes
from prunella_operator.reporting.proof.statement import Statement
from prunella_operator.reporting.recorded_orders import APPLIED
from prunella_workflows.model import labels
from prunella_workflows.model.redaction import redact_texts

_CLOCK_SKEW = timedelta(minutes=1)
"""The clocks of API server, Temporal and worker may differ by this much."""
_POD_WRITES = {"ResizePods": ("patch", "/resize"), "EvictPods": ("create", "/eviction")}
_DELETION = ("delete", "")


def is_in_time(statement: Statement, at: datetime) -> bool:
    """Report whether the order was under way at that time."""
    ended = statement.ended_at
    return statement.ordered_at - _CLOCK_SKEW <= at and (ended is None or at <= ended + _CLOCK_SKEW)


def is_about_pod(statement: Statement, write: LoggedWrite) -> bool:
    """Report whether a write to a pod belongs to this order: pods are written after the workload, and by uid."""
    verb, suffix = _POD_WRITES.get(statement.intent.action, _DELETION)
    if write.verb != verb or not is_in_time(statement, write.at):
        return False
    parent = paths.core(statement.incident.namespace, "pods")
    uids = {f"{parent}/{pod.name}{suffix}": pod.uid for pod in statement.intent.pods}
    if write.path in uids:
        return write.body is None or required_uid(write.body) == uids[write.path]
    return _is_replaced_by_undo(statement, write, parent)


def _is_replaced_by_undo(statement: Statement, write: LoggedWrite, parent: str) -> bool:
    """The undo of a StatefulSet deletes those pods that are broken at that time; no order names them."""
    kind, _, name = statement.intent.path.rpartition("/")
    if statement.order == REPAIR or not kind.endswith("/statefulsets") or write.verb != "delete":
        return False
    return re.fullmatch(rf"{re.escape(f'{parent}/{name}')}-\d+", write.path) is not None


def compare(stated: Stated, write: LoggedWrite) -> Iterator[Finding | Unchecked]:
    """List what differs, and what the log or the statement does not show."""
    statement = stated.value
    if statement.outcome not in (APPLIED, ""):
        yield Unchecked(stated.place, f"its order ended with {statement.outcome}, and yet {write.place} is its write")
    if not _is_at_its_time(statement, write):
        yield Finding(Kind.OTHER_TIME, stated.place, f"{write.place} is of {write.at.isoformat()}")
    if write.body is None:
        yield Unchecked(stated.place, f"action id, precondition and patch: {write.place} has no request body")
        return
    if not _has_its_precondition(statement, write):
        yield Finding(Kind.OTHER_PRECONDITION, stated.place, f"{write.place} requires another object or version")
    if not _is_its_change(statement, write):
        change = set_annotation(write.body, labels.LAST_CHANGE)
        yield Finding(Kind.OTHER_CHANGE, stated.place, f"{write.place} is another patch: {redact_texts(change)}")
    elif not _has_its_operations(stated, write):
        message = f"{write.place} writes something else than to {statement.intent.change}"
        yield Finding(Kind.OTHER_CHANGE, stated.place, message)
    if statement.outcome == APPLIED and not statement.patch:
        yield Unchecked(stated.place, "version and hash of the patch: an earlier attempt of its order sent it")


def _is_at_its_time(statement: Statement, write: LoggedWrite) -> bool:
    if write.body is None or statement.written_at is None:
        return is_in_time(statement, write.at)
    stamp = parse_annotation_time(set_annotation(write.body, labels.LAST_ACTION_AT))
    return stamp == statement.written_at and is_in_time(statement, write.at)


def _has_its_precondition(statement: Statement, write: LoggedWrite) -> bool:
    field, _, version = statement.read.partition(" ")
    is_its_version = not statement.read or str(tested(write.body, f"/metadata/{field}")) == version
    return required_uid(write.body) == statement.intent.precondition.uid and is_its_version


def _has_its_operations(stated: Stated, write: LoggedWrite) -> bool:
    """Compare the operations with the plan. No diagnosis plans an undo, so only the fields of its kind are known."""
    if stated.planned is not None:
        return makes(stated.planned, write.body)
    return is_within(stated.value.intent.action, write.body)


def _is_its_change(statement: Statement, write: LoggedWrite) -> bool:
    """Compare the patch or, where its hash is not known, the template that it makes, before webhooks change it."""
    if redact_texts(set_annotation(write.body, labels.LAST_CHANGE)) != statement.intent.change:
        return False
    if statement.patch:
        return statement.patch == digest(write.body)
    return set_annotation(write.body, labels.AFTER) in ("", statement.template_hash) or not statement.template_hash
