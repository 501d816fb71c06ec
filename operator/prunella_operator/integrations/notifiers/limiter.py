"""Rate limit of a channel: a bounded number of messages in a window, then one summary of the rest. None is lost: a
deferred one is retried by its activity, and the next one that may be sent carries the titles of all deferred ones.
"""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

LIMIT = 10
"""Messages of one worker to one channel within WINDOW_SECONDS; each worker counts for itself."""

WINDOW_SECONDS = 60.0
_IN_FLIGHT_RETRY_SECONDS = 5.0  # for a message that is being sent in a summary
_MAX_REMEMBERED = 1000  # messages of a channel


@dataclass(frozen=True)
class Send:
    """The message may be sent now, with the titles of the deferred `others` (by their keys)."""

    key: str
    others: Mapping[str, str]


@dataclass(frozen=True)
class Wait:
    """The rate limit is reached; retry after so many seconds."""

    seconds: float


@dataclass(frozen=True)
class AlreadySent:
    """It was sent already: by itself, or as a line of a summary."""

    in_summary: bool


@dataclass
class _Channel:
    sent_at: deque[float] = field(default_factory=deque)
    waiting: dict[str, str] = field(default_factory=dict)  # key to title
    in_flight: set[str] = field(default_factory=set)  # keys in a summary that is being sent
    delivered: dict[str, bool] = field(default_factory=dict)  # key to whether it was in a summary


class Limiter:
    """Counts the messages of every channel. Thread-safe; `now` is a monotonic clock in seconds."""

    def __init__(self, limit: int = LIMIT, window: float = WINDOW_SECONDS) -> None:
        self._limit = limit
        self._window = window
        self._channels: dict[str, _Channel] = {}
        self._lock = threading.Lock()

    def request(self, channel: str, key: str, title: str, now: float) -> Send | Wait | AlreadySent:
        """Request to send a message. After Send, report `sent` or `failed`."""
        with self._lock:
            state = self._channels.setdefault(channel, _Channel())
            if key in state.delivered:
                return AlreadySent(state.delivered[key])
            if key in state.in_flight:
                return Wait(_IN_FLIGHT_RETRY_SECONDS)
            while state.sent_at and now - state.sent_at[0] >= self._window:
                state.sent_at.popleft()
            if len(state.sent_at) >= self._limit:
                if len(state.waiting) < _MAX_REMEMBERED:
                    state.waiting[key] = title
                return Wait(state.sent_at[0] + self._window - now)
            state.sent_at.append(now)
            state.waiting.pop(key, None)
            others, state.waiting = state.waiting, {}
            state.in_flight |= others.keys()
            return Send(key, others)

    def sent(self, channel: str, send: Send) -> None:
        """Record that the message was sent, and with it the others."""
        with self._lock:
            state = self._channels[channel]
            state.in_flight -= send.others.keys()
            state.delivered |= {**dict.fromkeys(send.others, True), send.key: False}
            while len(state.delivered) > _MAX_REMEMBERED:
                del state.delivered[next(iter(state.delivered))]

    def failed(self, channel: str, send: Send) -> None:
        """Record that the message was not sent; the others stay deferred."""
        with self._lock:
            state = self._channels[channel]
            state.in_flight -= send.others.keys()
            state.waiting = {**send.others, **state.waiting}
