"""Strikes at the planned points, lets people come in between, and mends what was struck."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from chaos.people import Person
from chaos.proxy import Call
from chaos.strikes import Strike, point_of
from chaos.victims import Victim, group

_OK = 300
_CLOSING = "closing"
_REST = {"control plane": 8.0}
"""Seconds between two outages. Without any, a round would be one outage of the control plane."""


class Director:
    """The proxy's gate: at each point that a call reaches it looks whether a strike is due, or a person."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._lock = threading.Lock()
        self._planned: list[Strike] = []
        self._down: set[str] = set()
        self._menders: list[threading.Thread] = []
        self._rested: dict[str, float] = {}
        self._open: set[str] = set()
        self._people: dict[str, Person] = {}
        self.victims: dict[str, Victim] = {}
        self.errors: list[str] = []

    def arm(self, planned: list[Strike], people: dict[str, Person]) -> None:
        """These are due from now on."""
        with self._lock:
            self._planned, self._people = planned, people
            self._open.clear()

    def rest(self) -> None:
        """No more strikes; return when everything is mended."""
        with self._lock:
            for one in self._planned:
                one.begun = True
        for mender in self._menders:
            mender.join(180)
            assert not mender.is_alive(), "something cannot be mended"
        self._menders.clear()

    @property
    def down(self) -> frozenset[str]:
        """What is struck just now."""
        with self._lock:
            return frozenset(self._down)

    @property
    def all_begun(self) -> bool:
        """Whether no strike is due any more."""
        return all(one.begun for one in self._planned)

    def before(self, call: Call) -> str:
        point, patient = point_of(call, before=True)
        if not point:
            return "forward"
        self._come(point, patient)
        strike = self._due(point, patient, call.who)
        if strike is None:
            return "forward"
        self._strike(strike)
        return strike.order

    def after(self, call: Call, code: int) -> None:
        point, patient = point_of(call, before=False)
        if not point or code >= _OK:
            return
        if strike := self._due(point, patient, call.who):
            self._strike(strike)
        self._come(point, patient)

    def _come(self, point: str, patient: str) -> None:
        if person := self._people.get(patient):
            person.come(point)

    def _due(self, point: str, patient: str, caller: str) -> Strike | None:
        with self._lock:
            (self._open.discard if point == _CLOSING else self._open.add)(patient)
            for one in self._planned:
                struck = caller if caller.startswith(one.victim) else one.victim
                if one.begun or one.point != point or self._is_spared(group(struck)):
                    continue
                if one.skip:
                    one.skip -= 1
                    continue
                one.begun, one.patient, one.struck = True, patient, struck
                one.others = len(self._open - {patient})
                self._down.add(group(struck))
                return one
            return None

    def _is_spared(self, whom: str) -> bool:
        """Who is down, or was a moment ago."""
        return whom in self._down or time.monotonic() < self._rested.get(whom, 0.0)

    def _strike(self, strike: Strike) -> None:
        """Begin the outage; it is ended by a thread. One with a delay lets its call pass first."""
        if strike.delay:
            self._later(strike, lambda: (time.sleep(strike.delay), self._begin(strike)))
            return
        try:
            self._begin(strike)
        except (AssertionError, OSError) as error:
            self._end(strike, error)
        else:
            self._later(strike, lambda: None)

    def _begin(self, strike: Strike) -> None:
        victim = self.victims[strike.struck]
        if strike.action == "killed":
            victim.kill()
        else:
            os.kill(victim.pid, signal.SIGSTOP)
        self._tell(f"{strike} ({strike.others} others open)")

    def _later(self, strike: Strike, first: Callable[[], object]) -> None:
        def mend() -> None:
            try:
                first()
                time.sleep(strike.seconds)
                victim = self.victims[strike.struck]
                if strike.action == "killed":
                    victim.mend()
                else:
                    os.kill(victim.pid, signal.SIGCONT)
            except Exception as error:  # noqa: BLE001 - told at the end of the round
                self._end(strike, error)
            else:
                self._end(strike)

        thread = threading.Thread(target=mend, name=f"mend {strike.struck}", daemon=True)
        self._menders.append(thread)
        thread.start()

    def _end(self, strike: Strike, error: Exception | None = None) -> None:
        if error is not None:
            self.errors.append(f"{strike}: {error!r}")
        with self._lock:
            self._down.discard(group(strike.struck))
            self._rested[group(strike.struck)] = time.monotonic() + _REST.get(group(strike.struck), 0.0)

    def wake(self) -> None:
        """Whatever happened: leave nothing stopped."""
        for victim in self.victims.values():
            with suppress(AssertionError, ProcessLookupError):
                os.kill(victim.pid, signal.SIGCONT)
