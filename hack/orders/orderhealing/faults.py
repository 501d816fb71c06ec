"""The four faults: what a person or the world does, what Prunella may change, and how it must end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from orderhealing.system import PAYMENTS, SERVICE, WORKERS, OrderSystem, memory_needed
from prunella_workflows.model.incident_status import Phase


def _nothing(_: OrderSystem) -> None:
    """It needs no person."""


@dataclass(frozen=True)
class Fault:
    """One fault. `about` is the Deployment whose incident counts; `repaired`: Prunella may change its template.

    `end` is what a person does once the incident is over; `peak`: customers order more while it lasts.
    """

    title: str
    about: str
    ends_as: Phase
    begin: Callable[[OrderSystem], None] = _nothing
    end: Callable[[OrderSystem], None] = _nothing
    repaired: bool = False
    peak: bool = False

    @property
    def may_change(self) -> frozenset[str]:
        """The Deployments that Prunella may change."""
        return frozenset({self.about}) if self.repaired else frozenset()


def _release(system: OrderSystem) -> None:
    """A release with a setting that no process can read: its pods end at their start."""
    system.release(SERVICE, "ORDERS_MAX_ACTIVITIES", "many")


def _outgrow_memory(system: OrderSystem) -> None:
    """The workers need more memory than their limit, and their pods start again, as after the drain of a node."""
    system.configure(ORDERS_FAULTS=memory_needed(190))
    system.lose_pods(WORKERS)


def _shrink_memory(system: OrderSystem) -> None:
    system.configure(ORDERS_FAULTS=None)


def _payments(*, down: bool) -> Callable[[OrderSystem], None]:
    return lambda system: asyncio.run(system.afflict(PAYMENTS, down=down))


FAULTS = {
    "release": Fault(
        "a release of the API crashes: it is rolled back",
        SERVICE,
        Phase.HEALED,
        begin=_release,
        repaired=True,
    ),
    "memory": Fault(
        "workers are OOM-killed at each start: their memory is raised",
        WORKERS,
        Phase.HEALED,
        begin=_outgrow_memory,
        end=_shrink_memory,
        repaired=True,
    ),
    "backlog": Fault(
        "customers order more than the autoscaler's maximum can carry: an alert, and the maximum is raised",
        WORKERS,
        Phase.HEALED,
        peak=True,
    ),
    "payments": Fault(
        "the payment service is down: an alert, and it is escalated; nothing is restarted",
        WORKERS,
        Phase.ESCALATED,
        begin=_payments(down=True),
        end=_payments(down=False),
    ),
}
