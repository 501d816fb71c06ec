"""The day of `aiops.py`: each event breaks its service, sends its alerts, and is followed to its end."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from aiops_faults import FAULTS, REPLICAS, Fault, broken, healthy
from aiops_incidents import Incidents
from aiops_judge import Outcome, Write, downtime, served_since
from aiops_kubelets import Kubelets
from aiops_mix import NO_INCIDENT, Event
from aiops_table import Day
from chaos.fault_injection import written_action
from proc import load
from support.alert_storm import send
from support.api import Api, Object
from support.audit import AuditLog
from support.notifications import an_alert, body

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_workflows.model.errors import Unavailable

T = TypeVar("T")

NAMESPACES = 20
_QUIET_SECONDS = 90
"""After the end of a fault that needs no incident: as long as the longest wait before one would come, and more."""
_POLL_SECONDS = 1.0
_RETRY_SECONDS = 1.0
_NEVER = "0001-01-01T00:00:00Z"


def namespace_of(service: int) -> str:
    """The namespace of a service."""
    return f"shop-{service % NAMESPACES}"


def name_of(service: int) -> str:
    """The name of a service; all are equally long, so that none begins like another."""
    return f"service-{service:04d}"


@dataclass
class Play:
    """Plays the events of a day."""

    api: Api
    audit: AuditLog
    user: str
    webhook: str
    kubelets: Kubelets
    incidents: Incidents
    patience: float
    day: Day
    put: Callable[[], None]
    log_progress: Callable[[str], None]
    began: float = field(default_factory=time.monotonic)

    async def all(self, events: list[Event]) -> None:
        """Play all events; each outcome is kept as soon as it is known. An error of one is raised after the others."""
        self.began = time.monotonic()
        ends = await asyncio.gather(*(self._play(event) for event in events), return_exceptions=True)
        names = {name_of(event.service) for event in events}
        self.day.bystanders = await asyncio.to_thread(lambda: list(self._beside(names)))
        self.put()
        if errors := [end for end in ends if isinstance(end, Exception)]:
            raise ExceptionGroup("some events could not be played", errors)

    async def _play(self, event: Event) -> None:
        await asyncio.sleep(max(0.0, self.began + event.second - time.monotonic()))
        one = Run(self, event, name_of(event.service), namespace_of(event.service), FAULTS[event.kind.name])
        outcome = await one.run()
        self.day.outcomes.append(outcome)
        self.day.load = max(self.day.load, load())
        self.put()
        ends = ", ".join(ended.phase for ended in outcome.incidents) or "no incident"
        self.log_progress(
            f"{len(self.day.outcomes)} of {self.day.wanted['events']}: {event.kind.name}, {one.app}: {ends}"
        )

    def writes(self, namespace: str) -> Iterator[Any]:
        """Prunella's granted writes to users' objects in a namespace."""
        return (write for write in self.audit.writes(self.user, namespace) if write.of_a_user and write.made)

    def _beside(self, names: set[str]) -> Iterator[str]:
        for number in range(NAMESPACES):
            for write in self.writes(f"shop-{number}"):
                if write.name[: len(name_of(0))] not in names:
                    yield f"{write.verb} {write.resource} {write.namespace}/{write.name}"


@dataclass
class Run:
    """One event from its beginning until its service is well again."""

    play: Play
    event: Event
    app: str
    namespace: str
    fault: Fault
    alerts: int = 0
    _start: float = 0.0
    _over: bool = False

    async def run(self) -> Outcome:
        """Break the service, wait for the end, and repair as a person would what is left."""
        minute = (time.monotonic() - self.play.began) / 60
        self._start = time.monotonic()
        alerting = asyncio.create_task(self._alert())
        try:
            await self._break()
            await self._ended()
            writes = await retried(lambda: tuple(self._writes()))
            outcome = self._outcome(minute, writes)
            await self._repair_by_hand()
        finally:
            self._over = True
            await alerting
        return replace(outcome, alerts=self.alerts)

    async def _break(self) -> None:
        pods = sorted(self.play.kubelets.pods[self.app].values(), key=lambda pod: pod.name)
        self.play.kubelets.begin(self.app, self.fault)
        if self.fault.release:
            await retried(self.play.api.apply, broken(self.namespace, self.app, self.fault))
        for pod in pods[: self.fault.replaced]:
            await retried(self.play.api.delete, paths.core(self.namespace, "pods", pod.name))

    async def _ended(self) -> None:
        """Return when the event is over for Prunella, or the patience is."""
        if self.fault.lasts is not None:
            await asyncio.sleep(self.fault.lasts)
            self.play.kubelets.end(self.app)
        ends = self._start + self.play.patience
        quiet = time.monotonic() + _QUIET_SECONDS
        while time.monotonic() < ends and not self._is_over(quiet):  # noqa: ASYNC110 - a poll will do here
            await asyncio.sleep(_POLL_SECONDS)

    def _is_over(self, quiet: float) -> bool:
        incidents = self.play.incidents
        if NO_INCIDENT in self.event.kind.ends and time.monotonic() < quiet:
            return False
        expected = NO_INCIDENT in self.event.kind.ends or bool(incidents.of(self.app))
        return expected and incidents.settled(self.app)

    def _outcome(self, minute: float, writes: tuple[Write, ...]) -> Outcome:
        incidents, series = self.play.incidents.of(self.app), self.play.kubelets.ready[self.app]
        closed = [incident.closed for incident in incidents if incident.closed is not None]
        settled = len(closed) == len(incidents)
        return Outcome(
            number=self.event.number,
            kind=self.event.kind.name,
            service=self.app,
            minute=minute,
            detected=self._since(min((incident.first for incident in incidents), default=None)),
            serving=self._since(served_since(series, self._start, self.fault.enough)),
            closed=self._since(max(closed, default=None) if settled else None),
            incidents=tuple(incident.ended for incident in incidents),
            writes=writes,
            down=downtime(series, self._start, time.monotonic()),
        )

    def _since(self, moment: float | None) -> float | None:
        return None if moment is None else moment - self._start

    def _writes(self) -> Iterator[Write]:
        """Prunella's writes to this service and its pods, each with the action that an incident reports for it."""
        known = {
            attempt["actionId"]: attempt["action"]
            for incident in self.play.api.incidents(self.namespace)
            for attempt in (incident.get("status") or {}).get("attempts") or ()
        }
        for write in self.play.writes(self.namespace):
            if write.name.startswith(self.app):
                yield Write(write.resource, write.name, known.get(written_action(write.request), ""))

    async def _repair_by_hand(self) -> None:
        """End the fault as a person who repairs it; a service that Prunella has healed stays as it is."""
        self.play.kubelets.end(self.app)
        if self.play.kubelets.serving(self.app) < REPLICAS:
            await retried(self.play.api.apply, healthy(self.namespace, self.app, self.fault))

    # Alerts.

    async def _alert(self) -> None:
        """Send what Alertmanager would: that it fires, and that it has ended."""
        kind = self.event.kind
        await self._wait(kind.after, lambda: False)
        if not kind.alert or (not self.fault.only_alert and self._is_well()):
            return
        alert = self._firing()
        await self._send(alert)
        if self.fault.only_alert:
            await self._wait(self.fault.lasts, lambda: False)
        else:
            await self._wait(None, self._is_well)
        await self._send({**alert, "status": "resolved", "endsAt": _now()})

    async def _wait(self, seconds: float | None, done: Callable[[], bool]) -> None:
        """Wait for a time (None: without limit), until it is done, or until the event is over."""
        end = None if seconds is None else time.monotonic() + seconds
        while not (self._over or done() or (end is not None and time.monotonic() >= end)):  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)

    def _is_well(self) -> bool:
        return self.play.kubelets.serving(self.app) >= self.fault.enough

    def _firing(self) -> Object:
        kind = self.event.kind
        about = {"alertname": kind.alert, "severity": kind.severity, **self._about()}
        mark = hashlib.sha256(f"{self.event.number}/{self.app}/{self._start}".encode()).hexdigest()[:16]
        return an_alert(labels=about, fingerprint=mark, startsAt=_now())

    def _about(self) -> dict[str, str]:
        """The labels that name what the alert is about: a node, or a pod that fails, or any."""
        if self.event.kind.alert.startswith("KubeNode"):
            return {"node": f"fake-{self.event.service % 10}"}
        pods = sorted(self.play.kubelets.pods[self.app].values(), key=lambda pod: (pod.ready, pod.name))
        return {"namespace": self.namespace, "deployment": self.app} | ({"pod": pods[0].name} if pods else {})

    async def _send(self, alert: Object) -> None:
        sent = await send(self.play.webhook, [body(alert, status=alert["status"])], 0)
        if sent.codes[200]:
            self.alerts += 1
        else:
            self.play.log_progress(f"the webhook refused the alert of {self.app}: {dict(sent.codes)}")


def _now() -> str:
    return clock.now().isoformat().replace("+00:00", "Z")


async def retried(call: Callable[..., T], *args: Any) -> T:
    """Call in a thread, and again when the API server is busy. For calls that may be repeated."""
    while True:
        try:
            return await asyncio.to_thread(call, *args)
        except Unavailable:
            await asyncio.sleep(_RETRY_SECONDS)
