"""Rounds, one after the other: break many workloads at once, strike, wait for every incident's end, judge."""

import random  # noqa: TID251 - seeded, and no part of the brain
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from chaos.director import Director
from chaos.judge import Problem, Round
from chaos.patients import ChaosPatient, of_round, space, surely
from chaos.proxy import Proxy, Weather
from chaos.strikes import Strike, plan
from support.api import until
from support.cluster import Cluster
from support.outage import Temporal
from support.prunella import PrunellaProcess
from support.stage import CLOSED

from prunella_workflows.errors import PrunellaError, Unavailable

_GOOD_WITHIN = 180.0
_OVER_WITHIN = 400.0
_SHORT = 4
"""With so few strikes a round is to be quick, so it goes without the patient that takes longest."""
_QUIET = 3.0
"""Seconds after the end in which a late write would still show itself."""
_INTENSITIES = (0.5, 1.0, 1.5, 0.0)


@dataclass
class Season:
    """All rounds of a run, and what was counted in them."""

    cluster: Cluster
    user: str
    run: str
    chosen: Any
    proxy: Proxy
    director: Director
    parts: dict[str, PrunellaProcess]
    temporal: Temporal
    folder: Path
    say: Callable[[str], None]
    made: dict[int, list[ChaosPatient]] = field(default_factory=dict)
    struck: list[tuple[Strike, int]] = field(default_factory=list)
    missed: Counter[str] = field(default_factory=Counter)
    faults: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    problems: list[tuple[int, Problem]] = field(default_factory=list)
    incidents: int = 0
    rounds: int = 0

    def play(self) -> None:
        """Every round; one that fails does not keep the next from being played."""
        first, end = self.chosen.first, self.chosen.first + self.chosen.rounds
        self.prepare(first)
        for number in range(first, end):
            began = time.monotonic()
            if number + 1 < end:
                self.prepare(number + 1)
            found = self.round(number)
            self.problems += [(number, one) for one in found]
            self.rounds += 1
            took = time.monotonic() - began
            self.say(f"chaos: round {number}: {len(found)} problems ({took:.0f} s)")
            for one in found:
                self.say(f"    {one}")
        self.problems += [(one, Problem("lost", "namespace", text)) for one, text in self.left_over()]

    def prepare(self, number: int) -> None:
        """Make a round's patients, well; they become known to be while the round before is played."""
        dice = random.Random(f"{self.chosen.seed}/{number}/patients")
        long = self.chosen.strikes > _SHORT and bool(number % 2)
        patients = of_round(self.cluster.api, self.namespace(number), rejects=dice.random() < 0.3, glutton=long)
        space(self.cluster.api, self.namespace(number))
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ChaosPatient.make, patients))
        self.made[number] = patients

    def namespace(self, number: int) -> str:
        return f"chaos-{number}-{self.run}"

    def round(self, number: int) -> list[Problem]:
        seed, patients = f"{self.chosen.seed}/{number}", self.made[number]
        until(lambda: all(one.is_good() for one in patients), _GOOD_WITHIN, "all are known to be well", every=1)
        strikes = plan(self.chosen.seed, number, self.chosen.longest, self.chosen.strikes)
        self.proxy.weather = Weather(seed, _INTENSITIES[number % len(_INTENSITIES)])
        self.director.arm(strikes)
        pids = {name: one.pid for name, one in self.parts.items()}
        self._break(patients, random.Random(f"{seed}/moments"))
        ended = self._until_over(patients)
        self.proxy.weather, weather = Weather(), self.proxy.weather
        self.director.rest()
        self.faults += weather.made
        begun = [one for one in strikes if one.patient]
        self.struck += [(one, number) for one in begun]
        self.missed.update(one.point for one in strikes if not one.patient)
        found = self._broken(pids, begun)
        until(lambda: self.proxy.idle, 60, "the last late call has come")
        time.sleep(_QUIET)
        found += self._judge(number, begun, ended)
        self.incidents += len(patients)
        surely(lambda: self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace(number)}"), "it is cleared")
        return found

    def _break(self, patients: list[ChaosPatient], dice: random.Random) -> None:
        moments = {one.name: dice.uniform(0, 4) for one in patients}

        def one_by_one(one: ChaosPatient) -> None:
            time.sleep(moments[one.name])
            one.break_it()

        with ThreadPoolExecutor(len(patients)) as pool:
            list(pool.map(one_by_one, patients))

    def _until_over(self, patients: list[ChaosPatient]) -> bool:
        """Answer who asks, until all is over; False when it was not in time."""
        end = time.monotonic() + _OVER_WITHIN
        while time.monotonic() < end:
            with suppress(PrunellaError):
                if self._look(patients):
                    return True
            time.sleep(0.5)
        return False

    def _look(self, patients: list[ChaosPatient]) -> bool:
        found = self.cluster.api.incidents(patients[0].namespace)
        phases = {}
        for one in found:
            name = one["spec"]["target"]["name"]
            phases[name] = (one.get("status") or {}).get("phase", "")
            asks = next((each for each in patients if each.name == name and each.answer), None)
            if phases[name] != "AwaitingApproval" or asks is None or one["spec"].get("approval"):
                continue
            if time.monotonic() > self.director.asked.setdefault(name, time.monotonic() + 3):
                asks.approve(one)
        return len(phases) == len(patients) and CLOSED.issuperset(phases.values()) and self.director.calm

    def _broken(self, pids: dict[str, int], begun: list[Strike]) -> list[Problem]:
        """A process that ended without being killed, or does not become ready again."""
        found = [Problem("incomplete", "chaos", one) for one in self.director.errors]
        self.director.errors.clear()
        for name, one in self.parts.items():
            killed = any((strike.victim, strike.action) == (name, "killed") for strike in begun)
            try:
                one.wait_ready(60)
                if not killed and one.pid != pids[name]:
                    found.append(Problem("incomplete", name, "it was started again by nobody"))
            except AssertionError as error:
                found.append(Problem("incomplete", name, str(error)))
                if not one.running:
                    one.start()
        return found

    def _judge(self, number: int, begun: list[Strike], ended: bool) -> list[Problem]:
        dark = any(one.action == "killed" and one.victim in {"kube-apiserver", "etcd"} for one in begun)
        now = Round(
            self.cluster.api,
            self.cluster.audit,
            self.user,
            self.namespace(number),
            self.made[number],
            self.temporal.address,
            whole_log=not dark,
        )
        found = surely(now.problems, "it is judged")
        if not ended and not found:
            found = [Problem("lost", "round", f"not over within {_OVER_WITHIN:.0f} s")]
        if found:
            path = self.folder / f"round-{number}.txt"
            path.write_text("\n".join(f"=== {title}\n{text}" for title, text in self.diagnostics(number)))
            self.say(f"chaos: what is known of round {number} is in {path}")
        return found

    def left_over(self) -> Iterator[tuple[int, str]]:
        """Namespaces that cannot go: something in them has a finalizer that nobody removes."""
        for number in self.made:
            path = f"/api/v1/namespaces/{self.namespace(number)}"
            try:
                until(lambda path=path: surely(lambda: self.cluster.api.find(path), path) is None, 90, "it goes")
            except AssertionError:
                live = self.cluster.api.find(path) or {}
                yield number, yaml.safe_dump(live.get("status"))

    def diagnostics(self, number: int) -> Iterator[tuple[str, str]]:
        for one in self.cluster.api.incidents(self.namespace(number)):
            one["metadata"].pop("managedFields", None)
            yield f"incident {one['metadata']['name']}", yaml.safe_dump(one, sort_keys=False, width=140)
        writes = [one for one in self.cluster.audit.writes(self.user, self.namespace(number)) if one.of_a_user]
        yield "writes", "\n".join(map(str, writes))
        for name, one in self.parts.items():
            yield f"the end of {name}'s log", one.tail(2000)

    def table(self) -> str:
        """Kill points: victim x action x point -> n, lost, doubled, incomplete."""
        rows: dict[tuple[str, str, str], Counter[str]] = {}
        for strike, number in self.struck:
            row = rows.setdefault((strike.victim, strike.action, strike.point), Counter())
            row["n"] += 1
            for kind in {one.kind for at, one in self.problems if at == number and one.patient == strike.patient}:
                row[kind] += 1
        head = f"{'victim':16}{'action':9}{'point':20}{'n':>4}{'lost':>6}{'doubled':>9}{'incomplete':>12}"
        lines = [head]
        for key, row in sorted(rows.items()):
            victim, action, point = key
            counts = f"{row['n']:>4}{row['lost']:>6}{row['doubled']:>9}{row['incomplete']:>12}"
            lines.append(f"{victim:16}{action:9}{point:20}{counts}")
        total = Counter(one.kind for _, one in self.problems)
        lines.append(
            f"{self.rounds} rounds, {self.incidents} incidents, {len(self.struck)} strikes "
            f"(with {sum(one.others for one, _ in self.struck) / max(1, len(self.struck)):.1f} other incidents open), "
            f"{sum(self.faults.values())} faults by the proxy; problems: {dict(total) or 'none'}"
        )
        lines += [f"  {who:9}{method:6}{fault:12}{n:>5}" for (who, method, fault), n in sorted(self.faults.items())]
        lines += [f"  not reached: {point} {n} times" for point, n in sorted(self.missed.items())]
        return "\n".join(lines)

    def end(self) -> None:
        """Stop everything, whatever state it is in, and delete every namespace."""
        self.director.wake()
        with suppress(AssertionError):
            self.director.rest()
        for one in self.parts.values():
            with suppress(AssertionError):
                one.stop()
        self.temporal.kill()
        for number in self.made:
            with suppress(Unavailable):
                self.cluster.api.delete(f"/api/v1/namespaces/{self.namespace(number)}")
