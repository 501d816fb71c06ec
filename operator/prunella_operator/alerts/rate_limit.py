"""A rate limit: so many a second on average, more at once for a short while."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from prunella_operator import clock


@dataclass(slots=True)
class RateLimit:
    """A token bucket that holds `burst` and fills by `rate` a second."""

    rate: float
    burst: int
    now: Callable[[], float] = clock.monotonic
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        self._left, self._at = float(self.burst), self.now()

    def wait(self) -> int:
        """Take one: 0 when it may go on, else in how many whole seconds to come back."""
        now = self.now()
        self._left = min(float(self.burst), self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0
        return max(1, math.ceil((1 - self._left) / self.rate))
