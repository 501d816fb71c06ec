"""The writes of the audit log and the statements about them: each must have the other."""

from collections import defaultdict
from collections.abc import Collection, Sequence

from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes.track_records import NAMESPACE as RECORDS_NAMESPACE
from prunella_operator.reporting.proof.audit_log import AuditLog, LoggedWrite
from prunella_operator.reporting.proof.bodies import carried_annotation, set_annotation
from prunella_operator.reporting.proof.comparison import compare, is_about_pod, is_in_time
from prunella_operator.reporting.proof.exports import Stated
from prunella_operator.reporting.proof.finding import Finding, Kind, Unchecked
from prunella_operator.reporting.recorded_orders import APPLIED
from prunella_workflows.model import labels

_OWN = frozenset(
    {
        (labels.GROUP, "incidents", ""),
        (labels.GROUP, "incidents", "status"),
        (labels.GROUP, "healingpolicies", "status"),
        (labels.GROUP, "clusterhealingpolicies", "status"),
        ("", "events", ""),
        ("events.k8s.io", "events", ""),
        ("coordination.k8s.io", "leases", ""),
        ("authentication.k8s.io", "selfsubjectreviews", ""),
        ("authentication.k8s.io", "tokenreviews", ""),
        ("authorization.k8s.io", "selfsubjectaccessreviews", ""),
        ("authorization.k8s.io", "selfsubjectrulesreviews", ""),
        ("authorization.k8s.io", "subjectaccessreviews", ""),
    }
)
"""Group, resource and subresource of what needs no statement: Prunella's own, Events, its Lease, and questions."""
_RECORDS = ("", "configmaps", "")
_ADDING = frozenset({"create", "update", "patch"})
_SNAPSHOTS = ("apps", "controllerrevisions", "")
_SNAPSHOT = "-prunella-"


class Matcher:
    """Gives each write its statement. `accounts` are Prunella's; only one namespace counts, or all (None)."""

    def __init__(self, statements: Sequence[Stated], accounts: Collection[str], namespace: str | None) -> None:
        self._statements = statements
        self._accounts = frozenset(accounts)
        self._namespace = namespace
        self._by_action = {stated.value.action_id: stated for stated in statements}
        self._paths = {stated.value.intent.path for stated in statements}
        self._found = defaultdict[str, list[LoggedWrite]](list)
        self._unreadable: list[LoggedWrite] = []
        self.writes = 0
        self.results: list[Finding | Unchecked] = []

    def concerns(self, write: LoggedWrite) -> bool:
        """Report whether a write counts: Prunella's to what is not its own, and those of others to stated objects."""
        if self._namespace not in (None, write.namespace):
            return False
        return not _is_own(write) if self._is_in_our_name(write) else write.path in self._paths

    def _is_in_our_name(self, write: LoggedWrite) -> bool:
        """Report whether one of our accounts sent it, in whichever name, or another one in the name of ours."""
        return not self._accounts.isdisjoint((write.user, write.impersonated))

    def match(self, log: AuditLog) -> None:
        """Compare all writes and all statements. Raises InvalidFile if the log does not cover a statement's time."""
        for write in sorted(log.writes, key=lambda write: write.at):
            self._take(write)
        for stated in self._statements:
            self._close(stated, log)
        if self._unreadable:
            message = f"{len(self._unreadable)} writes of others to stated objects: they have no request bodies"
            self.results.append(Unchecked(self._unreadable[0].place, message))

    def _take(self, write: LoggedWrite) -> None:
        if not self._is_in_our_name(write):
            self._take_of_another(write)
            return
        self.writes += 1
        if not write.impersonated and any(is_about_pod(stated.value, write) for stated in self._statements):
            return
        stated = self._stated_by(write)
        if stated is None:
            self._find(Kind.NO_STATEMENT, write, f"{write.verb} {write.path} is in no statement{_in_whose_name(write)}")
        elif write.impersonated:
            self._find(Kind.WRITTEN_BY_ANOTHER, write, f"it is that of {stated.place}{_in_whose_name(write)}")
        elif stated.value.intent.path != write.path:
            self._find(Kind.OTHER_OBJECT, write, f"{write.path} was written, but {stated.place} has another object")
        else:
            self._found[stated.value.action_id].append(write)

    def _stated_by(self, write: LoggedWrite) -> Stated | None:
        """The statement with the write's action id or, in a log without bodies, the next one about its object."""
        if write.verb != "patch":
            return None
        if write.body is not None:
            return self._by_action.get(set_annotation(write.body, labels.LAST_ACTION))
        left = [
            stated
            for stated in self._statements
            if stated.value.intent.path == write.path
            and stated.value.action_id not in self._found
            and is_in_time(stated.value, write.at)
        ]
        return min(left, key=lambda stated: _distance(stated, write), default=None)

    def _take_of_another(self, write: LoggedWrite) -> None:
        """Whole objects carry the action id of their last repair; only who sets it first, or by its key, forges it."""
        if write.body is None:
            self._unreadable.append(write)
            return
        named = set_annotation(write.body, labels.LAST_ACTION) if write.verb == "patch" else ""
        carried = carried_annotation(write.body, labels.LAST_ACTION)
        if named in self._by_action or (carried in self._by_action and carried not in self._found):
            self._find(Kind.WRITTEN_BY_ANOTHER, write, f"{write.user} set the action id {named or carried}")

    def _close(self, stated: Stated, log: AuditLog) -> None:
        statement, writes = stated.value, self._found.get(stated.value.action_id, [])
        if writes:
            self.results += compare(stated, writes[0])
        elif statement.outcome == APPLIED:
            _require_covered(stated, log)
            message = f"the log has no write with the action id {statement.action_id} to {statement.intent.path}"
            self.results.append(Finding(Kind.NO_WRITE, stated.place, message))
        for write in writes[1:]:
            self._find(Kind.WRITTEN_TWICE, write, f"the action {statement.action_id} was written before")

    def _find(self, kind: Kind, write: LoggedWrite, message: str) -> None:
        self.results.append(Finding(kind, write.place, message))


def _distance(stated: Stated, write: LoggedWrite) -> tuple[bool, float]:
    statement = stated.value
    moment = statement.written_at or statement.ordered_at
    return statement.outcome != APPLIED, abs((write.at - moment).total_seconds())


def _require_covered(stated: Stated, log: AuditLog) -> None:
    written = stated.value.written_at
    if written is not None and not log.first <= written <= log.last:
        covered = f"{log.first.isoformat()} to {log.last.isoformat()}"
        raise InvalidFile(f"{stated.place}: it is of {written.isoformat()}, but the audit log is of {covered}")


def _is_own(write: LoggedWrite) -> bool:
    """Report whether this needs no statement; its name marks a snapshot, its namespace a track record."""
    kind = (write.group, write.resource, write.subresource)
    is_record = kind == _RECORDS and write.namespace == RECORDS_NAMESPACE and write.verb in _ADDING
    return kind in _OWN or (kind == _SNAPSHOTS and _SNAPSHOT in write.name) or is_record


def _in_whose_name(write: LoggedWrite) -> str:
    return f"; {write.user} sent it in the name of {write.impersonated}" if write.impersonated else ""
