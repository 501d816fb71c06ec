"""What a watch is given: which resource, how much of it, how fast, who listens; and what it tells about itself.

Values and ports only; `watch.py` does the work.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from prunella_operator import clock


class Identity(Protocol):
    """What a decoded object must tell about itself."""

    @property
    def uid(self) -> str:
        """Tells it from a namesake that was deleted."""

    @property
    def resource_version(self) -> str:
        """Where it stands in the history of the cluster."""


class Observed(Protocol):
    """Any decoded object."""

    @property
    def metadata(self) -> Identity:
        """Its identity."""


T = TypeVar("T", bound=Observed)
T_contra = TypeVar("T_contra", bound=Observed, contravariant=True)


class Handler(Protocol[T_contra]):
    """Who hears what was seen. Called in the event loop: it must be quick."""

    def seen(self, obj: T_contra, at: datetime) -> None:
        """The object is there, new or changed."""

    def gone(self, uid: str, at: datetime) -> None:
        """The object is no longer there."""


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A collection of the API: where it is and what is read of its objects."""

    group: str
    plural: str
    kind: str
    into: type[T]

    def path(self, namespace: str | None) -> str:
        """The path of the collection, of one namespace or of all."""
        return f"{self.group}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.group}/{self.plural}"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which objects: one namespace or all, and the selectors the API server applies."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    @property
    def params(self) -> dict[str, str]:
        """The selectors as query parameters."""
        return {key: value for key, value in (("labelSelector", self.labels), ("fieldSelector", self.fields)) if value}


@dataclass(frozen=True, slots=True)
class WatchTimings:
    """How fast a watch works and how long it waits; all times in seconds."""

    page: int = 200  # objects per page; more is no faster, and costs memory
    slice: int = 100  # objects handled before other tasks get their turn
    silence: float = 75.0  # bookmarks come about every 60 s
    answer: float = 30.0  # one page
    lifetime: tuple[float, float] = (240.0, 300.0)  # of one watch request
    shortest: float = 0.2  # pause before the next connection; doubled with every failure
    longest: float = 5.0
    steady: float = 5.0  # a connection that lasted so long was no failure
    obedience: float = 60.0  # longest Retry-After we obey: a broken proxy must not blind us for a day
    jitter: Callable[[float, float], float] = clock.jitter

    def pause(self, failures: int) -> float:
        """How long to wait before the next connection."""
        longest = min(self.longest, self.shortest * 2.0 ** min(failures, 16))
        return self.jitter(longest / 2, longest)


@dataclass(slots=True)
class WatchStats:
    """How a watch is doing, for readiness and metrics. Written by the watch only."""

    synced: bool = False
    objects: int = 0
    events: int = 0
    relists: int = 0  # lists after the first
    reconnects: int = 0
    undecodable: int = 0
    unhandled: int = 0  # objects on which the handler failed
    last_activity: float = 0.0  # clock.monotonic() of the last bytes of a watch, 0 before the first
    last_error: str = ""
