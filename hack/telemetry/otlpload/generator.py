"""The load, second by second: the same seed, shop and times give the same messages and totals."""

from dataclasses import dataclass
from random import Random  # noqa: TID251 - seeded, and no part of the brain

from otlpload.faults import ActiveFault, Fault, switch_on
from otlpload.messages import Messages, Request
from otlpload.metrics import Metrics
from otlpload.shop import Shop
from otlpload.totals import Totals
from otlpload.traces import Traces

_NS = 1_000_000_000
METRICS_EVERY = 10
"""Seconds between two points of a series."""


@dataclass(frozen=True)
class Load:
    """The requests of a stretch of time, and their counts."""

    requests: tuple[Request, ...]
    totals: Totals


class Generator:
    """Sends `rate` traces a second from a shop, about nine spans each; `fault` can be switched on and off."""

    def __init__(self, shop: Shop, rate: float = 20, seed: int = 1) -> None:
        self.shop, self.rate = shop, rate
        self._random = Random(seed)
        self._fault: ActiveFault | None = None
        self._owed = 0.0

    def switch_on(self, fault: Fault) -> None:
        """Begin to send what the fault causes."""
        self._fault = switch_on(fault, self.shop)

    def afflict(self, fault: ActiveFault) -> None:
        """Begin to send what the fault causes in pods that are known to have it."""
        self._fault = fault

    def switch_off(self) -> None:
        """All is well again."""
        self._fault = None

    def second(self, start: int) -> Load:
        """The load of the second that begins at a Unix time; metrics come every ten seconds."""
        messages = Messages()
        traces = Traces(self.shop, self._random, self._fault, messages)
        self._owed += self.rate
        begins = sorted(self._random.randrange(_NS) for _ in range(int(self._owed)))
        self._owed -= len(begins)
        for begin in begins:
            traces.add(start * _NS + begin)
        metrics = Metrics(self.shop, self._random, self._fault, messages)
        if start % METRICS_EVERY == 0:
            metrics.add(start * _NS)
        sent = [one for one in (messages.traces, messages.metrics, messages.logs) if one.ByteSize()]
        return Load(tuple(sent), traces.totals + Totals(points=metrics.points))
