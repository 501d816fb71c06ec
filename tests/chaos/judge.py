"""What became of a round: judged from the audit log, the objects, and Temporal."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from chaos.patients import ChaosPatient, runs, same_template
from chaos.strikes import action_of
from support.api import Api, Object
from support.audit import AuditLog, Write
from support.stage import CLOSED, LAST_ACTION


@dataclass(frozen=True)
class Problem:
    """Something that must not be. `kind`: lost, doubled, incomplete, foreign, or mistold (the effects are right, and an
    incident tells otherwise).
    """

    kind: str
    patient: str
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.patient}: {self.text}"


@dataclass(frozen=True)
class Round:
    """One round's namespace, as it is when everything is over."""

    api: Api
    audit: AuditLog
    user: str
    namespace: str
    patients: list[ChaosPatient]
    whole_log: bool
    """Whether the audit log has every write: an API server that is killed may have made one it did not log."""
    stories: dict[str, Object] = field(default_factory=dict)
    """What the workflows of incidents that are gone know, by the incident's uid: their status, from Temporal."""

    def problems(self) -> list[Problem]:
        incidents, writes = self.api.incidents(self.namespace), self.writes()
        judged = (problem for patient in self.patients for problem in self._of(patient, incidents, writes))
        return [*self._foreign(writes), *judged]

    def writes(self) -> list[Write]:
        """Every write of Prunella to somebody else's object here, granted or not."""
        return [write for write in self.audit.writes(self.user, self.namespace) if write.of_a_user]

    def _foreign(self, writes: Iterable[Write]) -> Iterator[Problem]:
        for write in writes:
            if not any(_is_repair(write, patient) or _is_deletion(write, patient) for patient in self.patients):
                yield Problem("foreign", write.name, f"a write that nobody could want: {write}")

    def _of(self, patient: ChaosPatient, everything: list[Object], writes: list[Write]) -> Iterator[Problem]:
        own = [one for one in everything if (one["spec"].get("target") or {}).get("name") == patient.name]
        most, least = 1, 0 if patient.deleted else 1
        if not least <= len(own) <= most:
            found = [(one["metadata"]["name"], (one.get("status") or {}).get("phase")) for one in own]
            yield Problem("doubled" if own else "lost", patient.name, f"{len(own)} incidents of one fault: {found}")
            return
        for incident in own:
            yield from self._end(patient, incident)
        ended = next((one["status"]["phase"] for one in own if one.get("status")), "Healed")
        told = [one for status in self._statuses(patient, own) for one in _told(status)]
        its = [write for write in writes if write.name == patient.name and write.resource == f"apps/{patient.plural}"]
        actions = list(dict.fromkeys([*told, *(action_of(one.request) for one in its if one.made)]))
        yield from self._effects(patient, told, its)
        yield from self._count(patient, actions, told)
        yield from _once(patient, actions, ended)
        yield from _replaced(patient, [write for write in writes if _is_deletion(write, patient)], self.whole_log)
        yield from _stillness(patient, its)
        yield from _object(patient, ended)

    def _statuses(self, patient: ChaosPatient, own: list[Object]) -> Iterator[Object]:
        """The stories of all its incidents, those that were deleted first."""
        yield from (self.stories.get(one["metadata"]["uid"], {}) for one in patient.deleted)
        yield from (one.get("status") or {} for one in own)

    @staticmethod
    def _end(patient: ChaosPatient, incident: Object) -> Iterator[Problem]:
        status = incident.get("status") or {}
        ended = f"{status.get('phase')}/{status.get('reason')}: {status.get('message')}"
        if status.get("phase") not in CLOSED:
            yield Problem("lost", patient.name, f"it never ended: {ended}")
        elif status["phase"] not in patient.ends:
            yield Problem("incomplete", patient.name, f"it should be {' or '.join(patient.ends)}, not {ended}")
        if left := incident["metadata"].get("finalizers"):
            yield Problem("incomplete", patient.name, f"finalizers are left: {left}")

    def _effects(self, patient: ChaosPatient, told: list[str], writes: list[Write]) -> Iterator[Problem]:
        """Each action id once, as the incidents tell it."""
        made = Counter(action_of(write.request) for write in writes if write.made)
        for action, times in made.items():
            if times > 1 or not action:
                yield Problem("doubled", patient.name, f"{action or 'no action id'} was written {times} times")
            if action not in told:
                yield Problem("mistold", patient.name, f"{action} was written, and no incident tells of it")
        if self.whole_log and (missing := [one for one in told if one not in made]):
            yield Problem("incomplete", patient.name, f"told, and never written: {missing}")

    @staticmethod
    def _count(patient: ChaosPatient, actions: list[str], told: list[str]) -> Iterator[Problem]:
        """The object itself counts every write of its spec, and has the last one's id."""
        live = patient.live()
        rise = live["metadata"]["generation"] - patient.broken["metadata"]["generation"] - len(patient.owners)
        if rise != len(actions):
            kind = "doubled" if rise > len(actions) else "incomplete"
            yield Problem(kind, patient.name, f"the spec was written {rise} times; known are {actions}")
        last = (live["metadata"].get("annotations") or {}).get(LAST_ACTION)
        expected = actions if len(actions) > len(told) else told[-1:]  # the order of what is not told is not known
        if last not in (expected or [None]):
            yield Problem("doubled", patient.name, f"the last action on the object is {last}, expected {expected}")


def _is_repair(write: Write, patient: ChaosPatient) -> bool:
    return (write.verb, write.resource, write.name) == ("patch", f"apps/{patient.plural}", patient.name)


def _is_deletion(write: Write, patient: ChaosPatient) -> bool:
    """The deletion, by uid, of a pod that its StatefulSet waits for: none of those that were healthy."""
    if (write.verb, write.resource, patient.kind) != ("delete", "/pods", "StatefulSet"):
        return False
    return write.name.rpartition("-")[0] == patient.name and _uid(write) not in {"", *patient.pods}


def _uid(write: Write) -> str:
    body = write.request if isinstance(write.request, dict) else {}
    return (body.get("preconditions") or {}).get("uid", "")


def _told(status: Object) -> Iterator[str]:
    """The writes that an incident's own story tells of, in order."""
    for attempt in status.get("attempts") or ():
        if attempt.get("writtenAt"):
            yield attempt["actionId"]
            if attempt.get("undone"):
                yield f"{attempt['actionId']}-undo"


def _once(patient: ChaosPatient, actions: list[str], ended: str) -> Iterator[Problem]:
    """What heals takes one write; what is cancelled leaves none that was not undone."""
    repairs = [action for action in actions if not action.endswith("-undo")]
    in_force = [repair for repair in repairs if f"{repair}-undo" not in actions]
    if ended == "Healed" and len(in_force) != 1:
        yield Problem("doubled", patient.name, f"one write heals it, not {actions}")
    if ended in {"Cancelled", "Recovered"} and in_force:
        yield Problem("incomplete", patient.name, f"it is {ended}, and {in_force} is in force")
    if ended == "Escalated" and in_force and not patient.owners:
        yield Problem("incomplete", patient.name, f"it did not help, and was not undone: {in_force}")


def _replaced(patient: ChaosPatient, deletions: list[Write], whole_log: bool) -> Iterator[Problem]:
    """Each pod that a StatefulSet waits for was deleted once."""
    made = Counter(_uid(deletion) for deletion in deletions if deletion.made)
    for uid, times in made.items():
        if times > 1:
            yield Problem("doubled", patient.name, f"pod {uid} was deleted {times} times")
    if patient.kind == "StatefulSet" and whole_log and len(made) != 1:
        yield Problem("incomplete", patient.name, f"one broken pod must be deleted, not {len(made)}")


def _stillness(patient: ChaosPatient, writes: list[Write]) -> Iterator[Problem]:
    """Nothing is written between the moment an incident says that it is suspended, and its resumption."""
    if patient.person != "suspends":
        return
    since, until = patient.still
    if not since:
        yield Problem("incomplete", patient.name, "it was never seen to be suspended")
        return
    first, last = datetime.fromisoformat(since), datetime.fromisoformat(until)
    for write in writes:
        if write.made and first < datetime.fromisoformat(write.at) < last:
            yield Problem("foreign", patient.name, f"written while it was suspended: {write}")


def _object(patient: ChaosPatient, ended: str) -> Iterator[Problem]:
    """The template is exactly the wanted one, nothing else was touched, and what is healed runs."""
    live, wanted = patient.live(), patient.template(ended)
    if not same_template(patient.kind, live, wanted):
        yield Problem("incomplete", patient.name, f"the template is {live['spec']['template']}, not {wanted}")
    rest, besides = {key: live["spec"][key] for key in live["spec"] if key != "template"}, patient.besides(ended)
    if rest != besides:
        yield Problem("foreign", patient.name, f"besides the template there is {rest}, not {besides}")
    if (ended == "Healed" or patient.owners) and not runs(live):
        yield Problem("incomplete", patient.name, f"it is {ended} and does not run: {live.get('status')}")
