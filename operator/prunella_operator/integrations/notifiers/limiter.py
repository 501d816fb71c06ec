"""How many messages a channel takes: a bounded number in a time, and then one summary of the rest.

Nothing is lost by it: a message that has to wait is tried again by its activity, and the next one that may go out
carries the titles of all that wait. Each worker counts for itself, so a channel takes at most `LIMIT` of each worker.
"""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

LIMIT = 10
"""Messages of one worker to one channel within WINDOW."""

WINDOW = 60.0  # seconds
_IN_FLIGHT = 5.0  # seconds until a message that is being sent in a summary asks again
_REMEMBERED = 1000


@dataclass(frozen=True)
class Send:
    """The message may go out now, with the titles of `others` (by their keys) that have waited."""

    key: str
    others: Mapping[str, str]


@dataclass(frozen=True)
class Wait:
    """The channel has its fill; ask again after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class Told:
    """It went out already: by itself, or as a line of a summary."""

    in_summary: bool


@dataclass
class _Channel:
    sent_at: deque[float] = field(default_factory=deque)
    waiting: dict[str, str] = field(default_factory=dict)  # key to title
    flying: set[str] = field(default_factory=set)  # keys that are in a summary under way
    told: dict[str, bool] = field(default_factory=dict)  # key to whether it went out in a summary


class Limiter:
    """Counts the messages of every channel. Thread-safe; `now` is a monotonic clock in seconds."""

    def __init__(self, limit: int = LIMIT, window: float = WINDOW) -> None:
        self._limit = limit
        self._window = window
        self._channels: dict[str, _Channel] = {}
        self._lock = threading.Lock()

    def ask(self, channel: str, key: str, title: str, now: float) -> Send | Wait | Told:
        """May this message go out? After Send say `sent` or `failed`."""
        with self._lock:
            state = self._channels.setdefault(channel, _Channel())
            if key in state.told:
                return Told(state.told[key])
            if key in state.flying:
                return Wait(_IN_FLIGHT)
            while state.sent_at and now - state.sent_at[0] >= self._window:
                state.sent_at.popleft()
            if len(state.sent_at) >= self._limit:
                if len(state.waiting) < _REMEMBERED:
                    state.waiting[key] = title
                return Wait(state.sent_at[0] + self._window - now)
            state.sent_at.append(now)
            state.waiting.pop(key, None)
            others, state.waiting = state.waiting, {}
            state.flying |= others.keys()
            return Send(key, others)

    def sent(self, channel: str, send: Send) -> None:
        """The message went out, and with it the others."""
        with self._lock:
            state = self._channels[channel]
            state.flying -= send.others.keys()
            state.told |= {**dict.fromkeys(send.others, True), send.key: False}
            while len(state.told) > _REMEMBERED:
                del state.told[next(iter(state.told))]

    def failed(self, channel: str, send: Send) -> None:
        """The message did not go out; the others wait on."""
        with self._lock:
            state = self._channels[channel]
            state.flying -= send.others.keys()
            state.waiting = {**send.others, **state.waiting}
