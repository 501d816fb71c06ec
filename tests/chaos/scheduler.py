"""Schedule fault injections: at the planned points inject faults or interventions, and restore what is down."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from chaos.fault_injection import FaultInjection, injection_point
from chaos.interventions import Intervention
from chaos.proxy import Call
from chaos.targets import FaultTarget, group

_OK = 300
_CLOSING = "closing"
_COOLDOWN_SECONDS = {"control plane": 8.0}
"""Seconds between two outages. Without any, a round would be one outage of the control plane."""


class FaultScheduler:
    """The proxy's gate: at each point that a call reaches, check whether an injection or an intervention is due."""

    def __init__(self, log_progress: Callable[[str], None]) -> None:
        self._report = log_progress
        self._lock = threading.Lock()
        self._planned: list[FaultInjection] = []
        self._down: set[str] = set()
        self._restorers: list[threading.Thread] = []
        self._cooldown_until: dict[str, float] = {}
        self._open: set[str] = set()
        self._people: dict[str, Intervention] = {}
        self.targets: dict[str, FaultTarget] = {}
        self.errors: list[str] = []

    def arm(self, planned: list[FaultInjection], interventions: dict[str, Intervention]) -> None:
        """Set the injections and interventions that are due from now on."""
        with self._lock:
            self._planned, self._people = planned, interventions
            self._open.clear()

    def stop(self) -> None:
        """Inject nothing more; return when everything is restored."""
        with self._lock:
            for injection in self._planned:
                injection.begun = True
        for restorer in self._restorers:
            restorer.join(180)
            assert not restorer.is_alive(), "something cannot be restored"
        self._restorers.clear()

    @property
    def down(self) -> frozenset[str]:
        """The targets that are down now."""
        with self._lock:
            return frozenset(self._down)

    @property
    def all_begun(self) -> bool:
        """Check that every injection has begun."""
        return all(injection.begun for injection in self._planned)

    def before(self, call: Call) -> str:
        point, workload = injection_point(call, before=True)
        if not point:
            return "forward"
        self._arrive(point, workload)
        injection = self._take_due(point, workload, call.who)
        if injection is None:
            return "forward"
        self._begin_outage(injection)
        return injection.order

    def after(self, call: Call, code: int) -> None:
        point, workload = injection_point(call, before=False)
        if not point or code >= _OK:
            return
        if injection := self._take_due(point, workload, call.who):
            self._begin_outage(injection)
        self._arrive(point, workload)

    def _arrive(self, point: str, workload: str) -> None:
        if intervention := self._people.get(workload):
            intervention.arrive(point)

    def _take_due(self, point: str, workload: str, caller: str) -> FaultInjection | None:
        with self._lock:
            (self._open.discard if point == _CLOSING else self._open.add)(workload)
            for injection in self._planned:
                process = caller if caller.startswith(injection.target) else injection.target
                if injection.begun or injection.point != point or self._is_spared(group(process)):
                    continue
                if injection.skip:
                    injection.skip -= 1
                    continue
                injection.begun, injection.workload, injection.process = True, workload, process
                injection.others = len(self._open - {workload})
                self._down.add(group(process))
                return injection
            return None

    def _is_spared(self, whom: str) -> bool:
        """Check whether the target is down, or was a moment ago."""
        return whom in self._down or time.monotonic() < self._cooldown_until.get(whom, 0.0)

    def _begin_outage(self, injection: FaultInjection) -> None:
        """Begin the outage; a thread ends it. An outage with a delay lets its call pass first."""
        if injection.delay:
            self._end_later(injection, lambda: (time.sleep(injection.delay), self._begin(injection)))
            return
        try:
            self._begin(injection)
        except (AssertionError, OSError) as error:
            self._end(injection, error)
        else:
            self._end_later(injection, lambda: None)

    def _begin(self, injection: FaultInjection) -> None:
        target = self.targets[injection.process]
        if injection.action == "killed":
            target.kill()
        else:
            os.kill(target.pid, signal.SIGSTOP)
        self._report(f"{injection} ({injection.others} others open)")

    def _end_later(self, injection: FaultInjection, first: Callable[[], object]) -> None:
        def restore() -> None:
            try:
                first()
                time.sleep(injection.seconds)
                target = self.targets[injection.process]
                if injection.action == "killed":
                    target.restore()
                else:
                    os.kill(target.pid, signal.SIGCONT)
            except Exception as error:  # noqa: BLE001 - reported at the end of the round
                self._end(injection, error)
            else:
                self._end(injection)

        thread = threading.Thread(target=restore, name=f"restore {injection.process}", daemon=True)
        self._restorers.append(thread)
        thread.start()

    def _end(self, injection: FaultInjection, error: Exception | None = None) -> None:
        if error is not None:
            self.errors.append(f"{injection}: {error!r}")
        with self._lock:
            self._down.discard(group(injection.process))
            self._cooldown_until[group(injection.process)] = time.monotonic() + _COOLDOWN_SECONDS.get(
                group(injection.process), 0.0
            )

    def resume_all(self) -> None:
        """Leave nothing stopped, whatever happened."""
        for target in self.targets.values():
            with suppress(AssertionError, ProcessLookupError):
                os.kill(target.pid, signal.SIGCONT)
