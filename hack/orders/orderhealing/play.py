"""One fault under load: from half a minute before it until all its orders have ended and the books are audited."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime

from walkthrough.console import Narrator

from orderhealing.faults import Fault
from orderhealing.figures import Figures, judge
from orderhealing.load import Load
from orderhealing.options import Options
from orderhealing.rows import Row
from orderhealing.system import CARRIER, NAMESPACE, PAYMENTS, SERVICE, OrderSystem
from prunella_operator import clock
from prunella_operator.incidents.client import Incident, KubeIncidents
from prunella_operator.presentation.watch import follow
from prunella_orders.settings import Settings
from prunella_workflows.model.incident_status import Times

_CALM_SECONDS = 30.0
_FAULT_SECONDS = 600.0


@dataclass(frozen=True)
class Stage:
    """The system and its observers, for playing faults. `check_running` raises when Prunella has ended."""

    system: OrderSystem
    incidents: KubeIncidents
    database_url: str
    check_running: Callable[[], None]
    options: Options
    narrator: Narrator

    def settings(self) -> Settings:
        """The settings by which this machine audits the books."""
        urls = {"payments_url": self.system.url(PAYMENTS), "carrier_url": self.system.url(CARRIER)}
        return Settings.model_validate({"database_url": self.database_url, **urls})


def play(name: str, fault: Fault, stage: Stage) -> Row:
    """Play one fault; the row says what became of it."""
    run, before, url = f"{name}-{clock.now():%Y%m%dT%H%M%S}", stage.system.shape(), stage.system.url(SERVICE)
    options = stage.options
    usual, peak = Load(url, f"{run}-usual", options.rate), Load(url, f"{run}-peak", options.peak - options.rate)
    with usual:
        _calm("before the fault", stage)
        began = clock.now()
        stage.narrator.print(f"{name}: {fault.title}", "bold")
        with peak if fault.peak else nullcontext():
            incident = _break(fault, began, stage)
        over = clock.now()
        _calm("after it", stage)
    with stage.narrator.step("Wait for the end of all orders, and audit the books"):
        accepted = sum(len(load.sent().accepted) for load in (usual, *([peak] if fault.peak else [])))
        figures = asyncio.run(judge(stage.settings(), run, began, over))
    innocents = before.changed(stage.system.shape()) - fault.may_change
    return make_row(name, fault, incident, began, figures, lost=accepted - figures.ended, innocents=innocents)


def _calm(when: str, stage: Stage) -> None:
    with stage.narrator.step(f"{_CALM_SECONDS:.0f} s {when}: {stage.options.rate:g} orders a second"):
        time.sleep(_CALM_SECONDS)


def _break(fault: Fault, began: datetime, stage: Stage) -> Incident | None:
    """Begin the fault, and watch until its incident is closed; then a person ends what is theirs to end."""
    try:
        fault.begin(stage.system)
        return _watch(fault, began, stage)
    finally:
        fault.end(stage.system)


def _watch(fault: Fault, began: datetime, stage: Stage) -> Incident | None:
    """The first incident about the fault's Deployment that is closed, if one is in time."""
    deadline = clock.monotonic() + _FAULT_SECONDS

    def poll() -> Sequence[Incident]:
        stage.check_running()
        found = stage.incidents.find(NAMESPACE)
        return [one for one in found if one.metadata.creation_timestamp >= began.replace(microsecond=0)]

    def closed() -> Incident | None:
        return next((one for one in poll() if one.target == f"Deployment/{fault.about}" and one.phase.closed), None)

    follow(poll, stage.narrator.out, clock.now, lambda _: closed() is not None or clock.monotonic() > deadline)
    return closed()


def make_row(
    name: str,
    fault: Fault,
    incident: Incident | None,
    began: datetime,
    figures: Figures,
    *,
    lost: int,
    innocents: set[str],
) -> Row:
    """The row of a fault that is over."""
    times = incident.status.times if incident else Times()

    def since(at: datetime | None) -> float | None:
        return max(0.0, (at - began).total_seconds()) if at else None

    return Row(
        fault=name,
        ended=incident.phase.value if incident else "no incident",
        as_it_should=incident is not None and incident.phase is fault.ends_as,
        detected=since(times.detected_at),
        repaired=since(times.repaired_at),
        over=since(times.healed_at or times.closed_at),
        in_flight=figures.in_flight,
        lost=lost,
        longest=figures.longest,
        p99=figures.p99,
        errors=figures.errors,
        innocents=tuple(sorted(innocents)),
    )
