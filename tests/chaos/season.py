"""Rounds, one after the other: break many workloads at once, strike, wait for every incident's end, judge."""

import asyncio
import random  # noqa: TID251 - seeded, and no part of the brain
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from chaos.director import Director
from chaos.figures import Figures
from chaos.house import House
from chaos.judge import Problem, Round
from chaos.patients import ChaosPatient, of_round, shuffled, space, surely
from chaos.people import Person
from chaos.proxy import Proxy, Weather
from chaos.strikes import MORE, Strike, again, plan, short_plan
from support.api import Object, until
from support.cluster import Cluster
from support.stage import CLOSED
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from prunella_workflows.contracts.healing import workflow_id
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.errors import PrunellaError, Unavailable

_GOOD_WITHIN = 240.0
_OVER_WITHIN = 900.0
"""More than the longest pause between two tries of an activity, of 256 s."""
_WORKFLOWS_WITHIN = 180.0
_QUIET = 3.0
"""Seconds after the end in which a late write would still show itself."""
_INTENSITIES = (0.5, 1.0, 1.5, 0.0)
_LATE_STRIKES = 2
"""Strikes that a round did not come to are tried again in so many rounds."""


@dataclass
class Season:
    """The rounds of one kind of Prunella."""

    cluster: Cluster
    user: str
    run: str
    seed: str
    longest: float
    house: House
    proxy: Proxy
    director: Director
    figures: Figures
    folder: Path
    say: Callable[[str], None]
    short: bool = False
    more: int = MORE
    made: dict[int, list[ChaosPatient]] = field(default_factory=dict)
    _again: list[Strike] = field(default_factory=list)
    _is_calm: bool = True

    def play(self, rounds: range, until_monotonic: float | None = None) -> None:
        """Every round; one that fails does not keep the next from being played. None begins after the given time."""
        self.prepare(rounds[0])
        for number in rounds:
            if until_monotonic is not None and time.monotonic() > until_monotonic:
                self.say(f"chaos: time is over before round {self.name(number)}")
                self._clear(number)
                return
            began = time.monotonic()
            if number + 1 in rounds:
                self.prepare(number + 1)
            found = self.round(number)
            took = time.monotonic() - began
            self.figures.round(self.name(number), took, found)
            strikes = len(self.figures.struck)
            self.say(
                f"chaos: round {self.name(number)}: {len(found)} problems ({took:.0f} s), {strikes} strikes so far"
            )
            for one in found:
                self.say(f"    {one}")

    def name(self, number: int) -> str:
        return f"{self.house.kind}-{number}"

    def namespace(self, number: int) -> str:
        return f"chaos-{self.name(number)}-{self.run}"

    def prepare(self, number: int) -> None:
        """Make a round's patients, well; they become known to be while the round before is played."""
        patients = of_round(self.cluster.api, self.namespace(number), number, short=self.short)
        space(self.cluster.api, self.namespace(number))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ChaosPatient.make, patients))
        self.made[number] = patients

    def strikes(self, number: int) -> list[Strike]:
        if self.short:
            return short_plan(f"{self.seed}/{number}", self.longest)
        return [*plan(self.seed, number, self.longest, self.house.victims, self.more), *self._again]

    def round(self, number: int) -> list[Problem]:
        seed, patients = f"{self.seed}/{self.house.kind}/{number}", self.made[number]
        until(lambda: all(patient.is_good() for patient in patients), _GOOD_WITHIN, "all are known to be well", every=1)
        self.house.man(number)
        strikes = self.strikes(number)
        people = {patient.name: Person(patient, lambda: self.director.down) for patient in patients if patient.person}
        self.proxy.weather = Weather(seed, 0.0 if self.short else _INTENSITIES[number % len(_INTENSITIES)])
        self.proxy.meter = lambda _: {"items": [usage for patient in patients for usage in patient.usage()]}
        self._is_calm = self.short
        self.director.victims = self.house.parts | self.house.others
        self.director.arm(strikes, people)
        pids = {name: one.pid for name, one in self.house.parts.items()}
        self._break(patients, shuffled(patients, random.Random(f"{seed}/moments")))
        found = self._until_over(patients, people)
        self._be_calm()
        self.director.rest()
        begun = self._count(strikes, number)
        found += self._broken(pids, begun)
        until(lambda: self.proxy.idle, 60, "the last late call has come")
        time.sleep(_QUIET)
        found += self._workflows(number)
        if any(
            patient.deleted for patient in patients
        ):  # an undo that came late brings the fault back, and another incident
            found += self._until_over(patients, people)
            found += self._workflows(number)
        found += self._errors(people)
        found += self._judge(number, begun)
        if found:
            self._tell(number)
        self._clear(number)
        return found

    def _clear(self, number: int) -> None:
        surely(lambda: self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace(number)}"), "it is cleared")

    def _break(self, patients: list[ChaosPatient], moments: dict[str, float]) -> None:
        def one_by_one(patient: ChaosPatient) -> None:
            time.sleep(moments[patient.name])
            patient.break_it()

        with ThreadPoolExecutor(len(patients)) as pool:
            list(pool.map(one_by_one, patients))

    def _until_over(self, patients: list[ChaosPatient], people: dict[str, Person]) -> list[Problem]:
        """Wait until every incident is closed and every person has acted."""
        end, waiting = time.monotonic() + _OVER_WITHIN, list(patients)
        while time.monotonic() < end:
            if self.director.errors:  # what could not be mended stays down; `_errors` tells it
                return []
            with suppress(PrunellaError):
                incidents = self.cluster.api.incidents(self.namespace_of(patients))
                waiting = [patient for patient in patients if not self._is_over(patient, people, incidents)]
                if not waiting and not self.director.down:
                    return []
            if self.director.all_begun and not self.director.down and not self._is_calm:
                self._be_calm()
            time.sleep(0.5)
        text = f"not over within {_OVER_WITHIN:.0f} s"
        return [Problem("lost", one.name, text) for one in waiting] or [Problem("incomplete", "round", text)]

    def _be_calm(self) -> None:
        """No more faults by the proxy: what has to end can end."""
        self.proxy.weather, weather = Weather(), self.proxy.weather
        self.figures.faults += weather.made
        self._is_calm = True

    @staticmethod
    def namespace_of(patients: list[ChaosPatient]) -> str:
        return patients[0].namespace

    @staticmethod
    def _is_over(patient: ChaosPatient, people: dict[str, Person], incidents: list[Object]) -> bool:
        person = people.get(patient.name)
        return (person is None or person.is_done) and patient.is_over(incidents, CLOSED)

    def _count(self, strikes: list[Strike], number: int) -> list[Strike]:
        """Note what was struck; what was not is tried again."""
        begun = [strike for strike in strikes if strike.patient]
        self.figures.struck += [(one, self.name(number)) for one in begun]
        missed = [strike for strike in strikes if not strike.patient]
        self._again = [again(one) for one in missed if one.tries < _LATE_STRIKES]
        self.figures.missed.update(" ".join(one.cell) for one in missed if one.tries >= _LATE_STRIKES)
        return begun

    def _broken(self, pids: dict[str, int], begun: list[Strike]) -> list[Problem]:
        """A process that ended without being killed, or does not become ready again."""
        found = [Problem("incomplete", "chaos", one) for one in self.director.errors]
        self.director.errors.clear()
        for name, one in self.house.parts.items():
            killed = any((strike.struck, strike.action) == (name, "killed") for strike in begun)
            try:
                one.process.wait_ready(90)
                if not killed and one.pid != pids[name]:
                    found.append(Problem("incomplete", name, "it was started again by nobody"))
            except AssertionError as error:
                found.append(Problem("incomplete", name, str(error)))
                if not one.process.running:
                    one.process.start()
        return found

    def _workflows(self, number: int) -> list[Problem]:
        """Each ends by itself. It may last a little longer than the incident: when the answer to the closing report was
        lost, that is told again, and people after it.
        """
        names = {one["metadata"]["uid"]: one["metadata"]["name"] for one in self._everything(number)}
        end, states = time.monotonic() + _WORKFLOWS_WITHIN, dict[str, str]()
        while time.monotonic() < end:
            states = asyncio.run(_states(self.house.temporal_address, list(names)))
            if "RUNNING" not in states.values():
                break
            time.sleep(1)
        bad = {uid: state for uid, state in states.items() if state not in {"COMPLETED", "CANCELED"}}
        return [Problem("lost", names[uid].rpartition("-")[0], f"its workflow is {bad[uid]}") for uid in bad]

    def _everything(self, number: int) -> list[Object]:
        """All incidents of a round, those that people deleted included."""
        now = surely(lambda: self.cluster.api.incidents(self.namespace(number)), "incidents are read")
        return [*now, *(gone for one in self.made[number] for gone in one.deleted)]

    def _errors(self, people: dict[str, Person]) -> list[Problem]:
        for person in people.values():
            self.figures.people[person.patient.person, bool(person.during)] += not person.is_due
        return [Problem("incomplete", name, one.error) for name, one in people.items() if one.error]

    def _judge(self, number: int, begun: list[Strike]) -> list[Problem]:
        dark = any(one.action == "killed" and one.victim in {"kube-apiserver", "etcd"} for one in begun)
        patients = self.made[number]
        gone = [incident["metadata"]["uid"] for patient in patients for incident in patient.deleted]
        stories = asyncio.run(_stories(self.house.temporal_address, gone))
        parts = (self.cluster.api, self.cluster.audit, self.user, self.namespace(number), patients)
        for one in surely(lambda: self.cluster.api.incidents(self.namespace(number)), "incidents are read"):
            name = one["spec"]["target"]["name"]
            self.figures.ends[name, (one.get("status") or {}).get("phase", "Pending")] += 1
        self.figures.ends.update((patient.name, "deleted by a person") for patient in patients for _ in patient.deleted)
        return surely(Round(*parts, whole_log=not dark, stories=stories).problems, "it is judged")

    def _tell(self, number: int) -> None:
        path = self.folder / f"{self.name(number)}.txt"
        path.write_text("\n".join(f"=== {title}\n{text}" for title, text in self.diagnostics(number)))
        self.say(f"chaos: what is known of round {self.name(number)} is in {path}")

    def left_over(self) -> Iterator[Problem]:
        """Namespaces that cannot go: something in them has a finalizer that nobody removes."""
        for number in self.made:
            path = f"/api/v1/namespaces/{self.namespace(number)}"
            try:
                until(lambda path=path: surely(lambda: self.cluster.api.find(path), path) is None, 120, "it goes")
            except AssertionError:
                live = self.cluster.api.find(path) or {}
                yield Problem("incomplete", self.namespace(number), yaml.safe_dump(live.get("status")))

    def diagnostics(self, number: int) -> Iterator[tuple[str, str]]:
        for incident in self.cluster.api.incidents(self.namespace(number)):
            incident["metadata"].pop("managedFields", None)
            yield f"incident {incident['metadata']['name']}", yaml.safe_dump(incident, sort_keys=False, width=140)
        writes = [write for write in self.cluster.audit.writes(self.user, self.namespace(number)) if write.of_a_user]
        yield "writes", "\n".join(f"{write.at} {write}" for write in writes)
        yield "strikes", "\n".join(str(one) for one, at in self.figures.struck if at == self.name(number))
        for name, one in self.house.parts.items():
            yield f"the end of {name}'s log", one.process.tail(2000)

    def end(self) -> None:
        """Delete every namespace, whatever state it is in."""
        for number in self.made:
            with suppress(Unavailable):
                self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace(number)}")


async def _states(address: str, uids: list[str]) -> dict[str, str]:
    client = await Client.connect(address)
    handles = {uid: client.get_workflow_handle(workflow_id(uid)) for uid in uids}
    return {uid: (await one.describe()).status.name for uid, one in handles.items()}


async def _stories(address: str, uids: list[str]) -> dict[str, Object]:
    """What workflows tell of themselves, as their incidents would."""
    client = await Client.connect(address, data_converter=pydantic_data_converter)
    handles = {uid: client.get_workflow_handle(workflow_id(uid)) for uid in uids}
    return {uid: (await one.query(SelfHealing.get_state)).to_object() for uid, one in handles.items()}
