"""Assertions about a round, from the audit log, the objects and Temporal."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from chaos.fault_injection import written_action
from chaos.workloads import ChaosWorkload, runs, same_template
from support.api import Api, Object
from support.audit import AuditLog, Write
from support.cases.run import CLOSED, LAST_ACTION


@dataclass(frozen=True)
class Problem:
    """A violation. `kind`: lost, doubled, incomplete, late, foreign, or misreported (the effects are right, and an
    incident reports otherwise).
    """

    kind: str
    workload: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.workload}: {self.text}"


@dataclass(frozen=True)
class RoundAssertions:
    """One round's namespace, as it is when everything is over."""

    api: Api
    audit: AuditLog
    user: str
    namespace: str
    workloads: list[ChaosWorkload]
    complete_log: bool
    """False if the audit log may lack a write: an API server that is killed may have made one that it did not log."""
    deleted_statuses: dict[str, Object] = field(default_factory=dict)
    """The status of each deleted incident, from its workflow in Temporal, by the incident's uid."""

    def problems(self) -> list[Problem]:
        incidents, writes = self.api.incidents(self.namespace), self.writes()
        judged = (
            problem for workload in self.workloads for problem in self._workload_problems(workload, incidents, writes)
        )
        return [*self._unexpected_writes(writes), *judged]

    def writes(self) -> list[Write]:
        """Every write of Prunella to a user's object here, granted or not."""
        return [write for write in self.audit.writes(self.user, self.namespace) if write.of_a_user]

    def _unexpected_writes(self, writes: Iterable[Write]) -> Iterator[Problem]:
        for write in writes:
            if not any(_is_repair(write, workload) or _is_deletion(write, workload) for workload in self.workloads):
                yield Problem("foreign", write.name, f"an unexpected write: {write}")

    def _workload_problems(
        self, workload: ChaosWorkload, incidents: list[Object], writes: list[Write]
    ) -> Iterator[Problem]:
        own = [
            incident for incident in incidents if (incident["spec"].get("target") or {}).get("name") == workload.name
        ]
        most, least = 1, 0 if workload.deleted else 1
        if not least <= len(own) <= most:
            found = [(incident["metadata"]["name"], (incident.get("status") or {}).get("phase")) for incident in own]
            yield Problem("doubled" if own else "lost", workload.name, f"{len(own)} incidents of one fault: {found}")
            return
        for incident in own:
            yield from self._end_problems(workload, incident)
        ended = next((incident["status"]["phase"] for incident in own if incident.get("status")), "Healed")
        reported = [action for status in self._statuses(workload, own) for action in _reported_actions(status)]
        own_writes = [
            write for write in writes if write.name == workload.name and write.resource == f"apps/{workload.plural}"
        ]
        written = [written_action(write.request) for write in own_writes if write.made]
        actions = list(dict.fromkeys([*reported, *written]))
        yield from self._write_problems(workload, reported, own_writes)
        yield from self._generation_problems(workload, actions, reported)
        yield from _net_repairs(workload, actions, ended)
        yield from _pod_deletions(
            workload, [write for write in writes if _is_deletion(write, workload)], self.complete_log
        )
        yield from _suspension_problems(workload, own_writes)
        yield from _object_problems(workload, ended)

    def _statuses(self, workload: ChaosWorkload, own: list[Object]) -> Iterator[Object]:
        """The statuses of all its incidents, deleted ones first."""
        yield from (self.deleted_statuses.get(incident["metadata"]["uid"], {}) for incident in workload.deleted)
        yield from (incident.get("status") or {} for incident in own)

    @staticmethod
    def _end_problems(workload: ChaosWorkload, incident: Object) -> Iterator[Problem]:
        status = incident.get("status") or {}
        ended = f"{status.get('phase')}/{status.get('reason')}: {status.get('message')}"
        if status.get("phase") not in CLOSED:
            yield Problem("lost", workload.name, f"it never ended: {ended}")
        elif status["phase"] not in workload.ends:
            yield Problem("incomplete", workload.name, f"it should be {' or '.join(workload.ends)}, not {ended}")
        if left := incident["metadata"].get("finalizers"):
            yield Problem("incomplete", workload.name, f"finalizers are left: {left}")

    def _write_problems(self, workload: ChaosWorkload, reported: list[str], writes: list[Write]) -> Iterator[Problem]:
        """Check that each action id was written once, as the incidents report it."""
        made = Counter(written_action(write.request) for write in writes if write.made)
        for action, times in made.items():
            if times > 1 or not action:
                yield Problem("doubled", workload.name, f"{action or 'no action id'} was written {times} times")
            if action not in reported:
                yield Problem("misreported", workload.name, f"{action} was written, and no incident reports it")
        if self.complete_log and (missing := [action for action in reported if action not in made]):
            yield Problem("incomplete", workload.name, f"reported, and never written: {missing}")

    @staticmethod
    def _generation_problems(workload: ChaosWorkload, actions: list[str], reported: list[str]) -> Iterator[Problem]:
        """Check the object itself: it counts every write of its spec, and has the last one's id."""
        live = workload.live()
        rise = live["metadata"]["generation"] - workload.broken["metadata"]["generation"] - len(workload.owner_writes)
        if rise != len(actions):
            kind = "doubled" if rise > len(actions) else "incomplete"
            yield Problem(kind, workload.name, f"the spec was written {rise} times; known are {actions}")
        last = (live["metadata"].get("annotations") or {}).get(LAST_ACTION)
        expected = (
            actions if len(actions) > len(reported) else reported[-1:]
        )  # the order of unreported writes is unknown
        if last not in (expected or [None]):
            yield Problem("doubled", workload.name, f"the last action on the object is {last}, expected {expected}")


def _is_repair(write: Write, workload: ChaosWorkload) -> bool:
    return (write.verb, write.resource, write.name) == ("patch", f"apps/{workload.plural}", workload.name)


def _is_deletion(write: Write, workload: ChaosWorkload) -> bool:
    """Check for the deletion, by uid, of a pod that its StatefulSet waits for, and that was not there while healthy."""
    if (write.verb, write.resource, workload.kind) != ("delete", "/pods", "StatefulSet"):
        return False
    return write.name.rpartition("-")[0] == workload.name and _uid(write) not in {"", *workload.pods}


def _uid(write: Write) -> str:
    body = write.request if isinstance(write.request, dict) else {}
    return (body.get("preconditions") or {}).get("uid", "")


def _reported_actions(status: Object) -> Iterator[str]:
    """The writes that an incident's status reports, in order."""
    for attempt in status.get("attempts") or ():
        if attempt.get("writtenAt"):
            yield attempt["actionId"]
            if attempt.get("undone"):
                yield f"{attempt['actionId']}-undo"


def _net_repairs(workload: ChaosWorkload, actions: list[str], ended: str) -> Iterator[Problem]:
    """Check that a healing took one write, and that a cancelled one left no write that was not undone."""
    repairs = [action for action in actions if not action.endswith("-undo")]
    in_force = [repair for repair in repairs if f"{repair}-undo" not in actions]
    if ended == "Healed" and len(in_force) != 1:
        yield Problem("doubled", workload.name, f"one write heals it, not {actions}")
    if ended in {"Cancelled", "Recovered"} and in_force:
        yield Problem("incomplete", workload.name, f"it is {ended}, and {in_force} is in force")
    if ended == "Escalated" and in_force and not workload.owner_writes:
        yield Problem("incomplete", workload.name, f"it did not help, and was not undone: {in_force}")


def _pod_deletions(workload: ChaosWorkload, deletions: list[Write], complete_log: bool) -> Iterator[Problem]:
    """Check that each pod that a StatefulSet waits for was deleted once."""
    made = Counter(_uid(deletion) for deletion in deletions if deletion.made)
    for uid, times in made.items():
        if times > 1:
            yield Problem("doubled", workload.name, f"pod {uid} was deleted {times} times")
    if workload.kind == "StatefulSet" and complete_log and len(made) != 1:
        yield Problem("incomplete", workload.name, f"one broken pod must be deleted, not {len(made)}")


def _suspension_problems(workload: ChaosWorkload, writes: list[Write]) -> Iterator[Problem]:
    """Check that nothing was written from the moment an incident said that it was suspended until its resumption."""
    if workload.intervention != "suspends":
        return
    since, until = workload.suspended_between
    if not since:
        yield Problem("incomplete", workload.name, "it was never seen to be suspended")
        return
    first, last = datetime.fromisoformat(since), datetime.fromisoformat(until)
    for write in writes:
        if write.made and first < datetime.fromisoformat(write.at) < last:
            yield Problem("foreign", workload.name, f"written while it was suspended: {write}")


def _object_problems(workload: ChaosWorkload, ended: str) -> Iterator[Problem]:
    """Check that the template is the wanted one, nothing else was touched, and the workload runs if it was healed."""
    live, wanted = workload.live(), workload.template(ended)
    if not same_template(workload.kind, live, wanted):
        yield Problem("incomplete", workload.name, f"the template is {live['spec']['template']}, not {wanted}")
    rest, expected_spec = (
        {key: live["spec"][key] for key in live["spec"] if key != "template"},
        workload.expected_spec(ended),
    )
    if rest != expected_spec:
        yield Problem("foreign", workload.name, f"besides the template there is {rest}, not {expected_spec}")
    if (ended == "Healed" or workload.owner_writes) and not runs(live):
        yield Problem("incomplete", workload.name, f"it is {ended} and does not run: {live.get('status')}")
