"""Strikes at the planned points, and mends what was struck."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from chaos.proxy import Call
from chaos.strikes import Strike, point_of
from localcluster import instance as instances
from localcluster import processes
from support.outage import ControlPlane, Temporal
from support.prunella import PrunellaProcess

_OK = 300
_CLOSING = "closing"


class Victim(Protocol):
    """A process that can be killed, started again, and stopped for a while."""

    @property
    def pid(self) -> int: ...

    def kill(self) -> None: ...

    def mend(self) -> None: ...


@dataclass
class Part:
    """Operator or worker."""

    process: PrunellaProcess

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.process.kill()

    def mend(self) -> None:
        self.process.start()


@dataclass
class Server:
    """Temporal."""

    temporal: Temporal

    @property
    def pid(self) -> int:
        assert self.temporal._process is not None
        return self.temporal._process.pid

    def kill(self) -> None:
        self.temporal.kill()

    def mend(self) -> None:
        self.temporal.start()


@dataclass
class Component:
    """A component of the control plane."""

    plane: ControlPlane
    name: str

    @property
    def pid(self) -> int:
        instance = instances.load(self.plane.name)
        assert instance, f"no cluster {self.plane.name}"
        pid = processes.pid_of(instance, self.name)
        assert pid, f"{self.name} does not run"
        return pid

    def kill(self) -> None:
        self.plane.kill(self.name)

    def mend(self) -> None:
        self.plane.mend()


_TOGETHER = {"kube-apiserver": "control plane", "etcd": "control plane"}
"""Not both at once: one is mended by waiting for the other."""


class Director:
    """The proxy's gate: at each point that a call reaches it looks whether a strike is due."""

    def __init__(self, victims: dict[str, Victim], tell: Callable[[str], None]) -> None:
        self._victims = victims
        self._tell = tell
        self._lock = threading.Lock()
        self._planned: list[Strike] = []
        self._down: set[str] = set()
        self._menders: list[threading.Thread] = []
        self._open: set[str] = set()
        self.errors: list[str] = []
        self.asked: dict[str, float] = {}
        """When each patient that asks is to be answered, by the monotonic clock."""

    def arm(self, planned: list[Strike]) -> None:
        """These are due from now on."""
        with self._lock:
            self._planned = planned
            self._open.clear()
            self.asked.clear()

    def rest(self) -> None:
        """No more strikes; return when everything is mended."""
        with self._lock:
            for one in self._planned:
                one.begun = True
        for one in self._menders:
            one.join(180)
            assert not one.is_alive(), "something cannot be mended"
        self._menders.clear()

    @property
    def calm(self) -> bool:
        """Whether nothing is down just now."""
        return not self._down

    def before(self, call: Call) -> str:
        point, patient = point_of(call, before=True)
        strike = self._due(point, patient) if point else None
        if strike is None:
            return "forward"
        self._strike(strike)
        return strike.order

    def after(self, call: Call, code: int) -> None:
        point, patient = point_of(call, before=False)
        if not point or code >= _OK:
            return
        if strike := self._due(point, patient):
            self._strike(strike)

    def _due(self, point: str, patient: str) -> Strike | None:
        with self._lock:
            self._follow(point, patient)
            for one in self._planned:
                if one.begun or one.point != point or _group(one.victim) in self._down:
                    continue
                if one.skip:
                    one.skip -= 1
                    continue
                one.begun, one.patient, one.others = True, patient, len(self._open - {patient})
                self._down.add(_group(one.victim))
                return one
            return None

    def _follow(self, point: str, patient: str) -> None:
        (self._open.discard if point == _CLOSING else self._open.add)(patient)
        if point == "awaiting approval":
            self.asked.setdefault(patient, time.monotonic() + 3)

    def _strike(self, strike: Strike) -> None:
        """Begin the outage; it is ended by a thread. One with a delay lets its call pass first."""
        if strike.delay:
            self._later(strike, lambda: (time.sleep(strike.delay), self._begin(strike)))
            return
        self._begin(strike)
        self._later(strike, lambda: None)

    def _begin(self, strike: Strike) -> None:
        victim = self._victims[strike.victim]
        if strike.action == "killed":
            victim.kill()
        else:
            os.kill(victim.pid, signal.SIGSTOP)
        if strike.point == "awaiting approval":  # the answer comes while nobody can hear it
            self.asked[strike.patient] = time.monotonic() + min(strike.seconds, 1)
        self._tell(f"{strike} ({strike.others} others open)")

    def _later(self, strike: Strike, first: Callable[[], object]) -> None:
        def mend() -> None:
            try:
                first()
                time.sleep(strike.seconds)
                victim = self._victims[strike.victim]
                if strike.action == "killed":
                    victim.mend()
                else:
                    os.kill(victim.pid, signal.SIGCONT)
            except Exception as error:  # noqa: BLE001 - told at the end of the round
                self.errors.append(f"{strike}: {error!r}")
            finally:
                with self._lock:
                    self._down.discard(_group(strike.victim))

        thread = threading.Thread(target=mend, name=f"mend {strike.victim}", daemon=True)
        self._menders.append(thread)
        thread.start()

    def wake(self) -> None:
        """Whatever happened: leave nothing stopped."""
        for one in self._victims.values():
            with suppress(AssertionError, ProcessLookupError):
                os.kill(one.pid, signal.SIGCONT)


def _group(victim: str) -> str:
    return _TOGETHER.get(victim, victim)
