"""A rate limit: an average per second, and a burst."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from prunella_operator import clock


@dataclass(slots=True)
class RateLimit:
    """A token bucket that holds `burst` tokens and fills by `rate` tokens a second."""

    rate: float
    burst: int
    now: Callable[[], float] = clock.monotonic
    _tokens: float = field(init=False)
    _filled_at: float = field(init=False)

    def __post_init__(self) -> None:
        self._tokens, self._filled_at = float(self.burst), self.now()

    def wait(self) -> int:
        """Take a token: return 0, or the whole seconds after which to retry."""
        now = self.now()
        self._tokens = min(float(self.burst), self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0
        return max(1, math.ceil((1 - self._tokens) / self.rate))
