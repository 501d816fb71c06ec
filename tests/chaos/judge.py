"""What became of a round: judged from the audit log, the objects, and Temporal."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chaos.patients import ChaosPatient
from chaos.strikes import action_of
from support.api import Api, Object
from support.audit import AuditLog, Write
from support.stage import CLOSED, LAST_ACTION
from temporalio.client import Client

from prunella_operator.cluster.views import template_hash, template_of
from prunella_workflows.contract import workflow_id

_ENDS_WITHIN = 180.0


@dataclass(frozen=True)
class Problem:
    """Something that must not be. `kind`: lost, doubled, incomplete, or foreign."""

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
    temporal: str
    whole_log: bool
    """Whether the audit log has every write: an API server that is killed may have made one it did not log."""

    def problems(self) -> list[Problem]:
        unfinished = list(self._workflows(self.api.incidents(self.namespace)))
        incidents, writes = self.api.incidents(self.namespace), self.writes()
        judged = (problem for one in self.patients for problem in self._of(one, incidents, writes))
        return [*unfinished, *self._foreign(writes), *judged]

    def writes(self) -> list[Write]:
        """Every write of Prunella to somebody else's object here, granted or not."""
        return [one for one in self.audit.writes(self.user, self.namespace) if one.of_a_user]

    def _foreign(self, writes: Iterable[Write]) -> Iterator[Problem]:
        names = {one.name for one in self.patients}
        for one in writes:
            if one.resource != "apps/deployments" or one.name not in names or one.verb != "patch":
                yield Problem("foreign", one.name, f"a write to what is no patient: {one}")

    def _of(self, patient: ChaosPatient, everything: list[Object], writes: list[Write]) -> Iterator[Problem]:
        own = [one for one in everything if (one["spec"].get("target") or {}).get("name") == patient.name]
        if len(own) != 1:
            found = [(one["metadata"]["name"], (one.get("status") or {}).get("phase")) for one in own]
            yield Problem("doubled" if own else "lost", patient.name, f"{len(own)} incidents of one fault: {found}")
            return
        (incident,) = own
        status = incident.get("status") or {}
        ended = f"{status.get('phase')}/{status.get('reason')}: {status.get('message')}"
        if status.get("phase") not in CLOSED:
            yield Problem("lost", patient.name, f"it never ended: {ended}")
            return
        if status["phase"] != patient.ends:
            yield Problem("incomplete", patient.name, f"it should be {patient.ends}, not {ended}")
        if left := incident["metadata"].get("finalizers"):
            yield Problem("incomplete", patient.name, f"finalizers are left: {left}")
        yield from self._effects(patient, incident, [one for one in writes if one.name == patient.name])
        yield from _object(patient)

    def _effects(self, patient: ChaosPatient, incident: Object, writes: list[Write]) -> Iterator[Problem]:
        """Each action id once, as the incident tells it; counted by the log, and by the object's generation."""
        made = Counter(action_of(one.request) for one in writes if one.made)
        told = list(_told(incident))
        for action, times in made.items():
            if times > 1:
                yield Problem("doubled", patient.name, f"{action or 'no action id'} was written {times} times")
            if action not in told:
                yield Problem("doubled", patient.name, f"{action} was written, and the incident does not tell of it")
        if self.whole_log and (missing := [one for one in told if one not in made]):
            yield Problem("incomplete", patient.name, f"told, and never written: {missing}")
        live = patient.live()
        rise = live["metadata"]["generation"] - patient.broken["metadata"]["generation"]
        if rise != len(told):
            kind = "doubled" if rise > len(told) else "incomplete"
            yield Problem(kind, patient.name, f"the spec was written {rise} times; the incident tells of {told}")
        last = (live["metadata"].get("annotations") or {}).get(LAST_ACTION)
        if last != (told[-1] if told else None):
            yield Problem("doubled", patient.name, f"the last action on the object is {last}, told is {told}")
        if patient.ends == "Healed" and len(told) != 1:
            yield Problem("doubled", patient.name, f"one write heals it, not {told}")

    def _workflows(self, incidents: list[Object]) -> Iterator[Problem]:
        """Each ends by itself. It may last a little longer than the incident: when the answer to the closing report was
        lost, that is told again, and people after it.
        """
        end, running = time.monotonic() + _ENDS_WITHIN, incidents
        while states := asyncio.run(_states(self.temporal, running)):
            running = [one for one in running if states[one["metadata"]["name"]] == "RUNNING"]
            for name, state in states.items():
                if state not in {"RUNNING", "COMPLETED"} or (state == "RUNNING" and time.monotonic() > end):
                    yield Problem("lost", name.rpartition("-")[0], f"its workflow is {state}")
            if not running or time.monotonic() > end:
                return
            time.sleep(1)


def _told(incident: Object) -> Iterator[str]:
    """The writes that the incident's own story tells of, in order."""
    for one in incident["status"].get("attempts") or ():
        if one.get("writtenAt"):
            yield one["actionId"]
            if one.get("undone"):
                yield f"{one['actionId']}-undo"


def _object(patient: ChaosPatient) -> Iterator[Problem]:
    """The template is exactly the wanted one, nothing else was touched, and what is healed runs."""
    live, wanted = patient.live(), patient.template()
    got = template_of({"kind": "Deployment", **live})
    if template_hash(got) != template_hash(wanted):
        yield Problem("incomplete", patient.name, f"the template is {got}, not {wanted}")
    others = [{key: one["spec"][key] for key in one["spec"] if key != "template"} for one in (live, patient.broken)]
    if others[0] != others[1]:
        yield Problem("foreign", patient.name, f"more than the template was changed: {others}")
    status = live.get("status") or {}
    if patient.ends == "Healed" and status.get("availableReplicas") != live["spec"]["replicas"]:
        yield Problem("incomplete", patient.name, f"it is Healed and does not run: {status}")


async def _states(address: str, incidents: list[Object]) -> dict[str, str]:
    client = await Client.connect(address)
    found = {}
    for one in incidents:
        handle = client.get_workflow_handle(workflow_id(one["metadata"]["uid"]))
        found[one["metadata"]["name"]] = (await handle.describe()).status.name
    return found
