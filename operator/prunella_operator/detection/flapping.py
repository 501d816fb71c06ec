"""Flapping availability: pods that work for a while and are replaced, again and again, a fault that no pod shows.

Each change looks like progress, so nothing stalls; each pod that fails is gone before the next look.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from prunella_workflows.model.signal import Signal

FLAPPING_WINDOW = timedelta(minutes=10)
_MIN_SHORTAGE = FLAPPING_WINDOW / 2
_MIN_FALLS = 3
_ENOUGH = 0.75  # of the wanted pods: a drain of nodes, which a disruption budget paces, takes no more


class Availability(NamedTuple):
    """The pods of a workload that are available, and wanted, in one generation of its spec."""

    generation: int
    available: int
    wanted: int

    @property
    def short(self) -> bool:
        """True when so many are missing that it counts."""
        return self.available < _ENOUGH * self.wanted


History = tuple[tuple[datetime, Availability], ...]


@dataclass(slots=True)
class FlappingTracker:
    """Reports a workload whose availability falls repeatedly and is short for most of the window. Keeps a history of
    those only that lost pods after their rollout was complete.
    """

    emit: Callable[[Signal], None]
    _histories: dict[str, History] = field(default_factory=dict)

    def update(self, uid: str, state: Availability, signal: Signal, at: datetime, *, was_complete: bool) -> None:
        """Record the availability. A new generation, be it a release or a scaling, begins again with its completion."""
        history = self._histories.get(uid, ())
        if history and history[-1][1].generation != state.generation:
            self.forget(uid)
        elif history or was_complete:
            changed = not history or history[-1][1] != state
            self._histories[uid] = tuple(_within_window((*history, (at, state)) if changed else history, at))
            self._report(uid, signal, at)

    def forget(self, uid: str) -> None:
        """Forget the workload."""
        self._histories.pop(uid, None)

    def _report(self, uid: str, signal: Signal, at: datetime) -> None:
        history = self._histories[uid]
        falls = sum(later.available < earlier.available for (_, earlier), (_, later) in pairwise(history))
        shortage = sum((until - since for since, until in _shortages(history, at)), timedelta())
        if falls >= _MIN_FALLS and shortage > _MIN_SHORTAGE:
            self.emit(signal.model_copy(update={"observed_at": at}))
            self.forget(uid)
        elif not shortage and not history[-1][1].short:
            self.forget(uid)


def _within_window(history: History, now: datetime) -> Iterator[tuple[datetime, Availability]]:
    """The entries of the window, with the one that was in force at its beginning."""
    begin = now - FLAPPING_WINDOW
    ends = [at for at, _ in history[1:]]
    yield from ((max(at, begin), state) for (at, state), end in zip(history, [*ends, now], strict=True) if end >= begin)


def _shortages(history: History, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    ends = [*(at for at, _ in history[1:]), now]
    yield from ((at, end) for (at, state), end in zip(history, ends, strict=True) if state.short)
