"""A watch's parameters and its statistics: the resource, its scope, timings, and the handler."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from prunella_operator import clock
from prunella_operator.kubernetes.decoding import HeadMetadata, ObjectMetadata

Identity = ObjectMetadata | HeadMetadata
"""The metadata of a decoded object: it has at least the uid and the resourceVersion."""


class Observed(Protocol):
    """Any decoded object."""

    @property
    def metadata(self) -> Identity:
        """Its identity."""


_SILENCE_LIMIT_SECONDS = 120.0  # bookmarks come every minute: a watch without a byte for so long misses changes

T = TypeVar("T", bound=Observed)
T_contra = TypeVar("T_contra", bound=Observed, contravariant=True)


class Handler(Protocol[T_contra]):
    """Receives the changes of a watch. Called in the event loop: it must return quickly."""

    def on_upsert(self, obj: T_contra, at: datetime) -> None:
        """Handle an object that is new or changed."""

    def on_delete(self, uid: str, at: datetime) -> None:
        """Handle the deletion of an object."""


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A collection of the API: its path, and the type that its objects are decoded into."""

    group: str
    plural: str
    kind: str
    into: type[T]

    def path(self, namespace: str | None) -> str:
        """The path of the collection, in one namespace or in all."""
        return f"{self.group}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.group}/{self.plural}"


@dataclass(frozen=True, slots=True)
class Scope:
    """The watched objects: those of one namespace or of all, filtered by the API server with selectors."""

    namespace: str | None = None
    labels: str = ""
    fields: str = ""

    @property
    def params(self) -> dict[str, str]:
        """The selectors as query parameters."""
        return {key: value for key, value in (("labelSelector", self.labels), ("fieldSelector", self.fields)) if value}


@dataclass(frozen=True, slots=True)
class WatchTimings:
    """Timeouts and pauses of a watch, all in seconds, and its page and batch sizes in objects."""

    page_size: int = 200  # larger pages are no faster, and cost memory
    batch_size: int = 100  # objects handled before other tasks may run
    idle_timeout: float = 75.0  # bookmarks come about every 60 s
    page_timeout: float = 30.0
    lifetime: tuple[float, float] = (240.0, 300.0)  # of one watch request
    min_backoff: float = 0.2  # pause before the next connection; doubled with every failure
    max_backoff: float = 5.0
    healthy_after: float = 5.0  # a connection that lasted this long does not count as a failure
    max_retry_after: float = 60.0  # longest Retry-After to respect: a broken proxy must not stop the watch for a day
    jitter: Callable[[float, float], float] = clock.jitter

    def backoff(self, failures: int) -> float:
        """The pause before the next connection, in seconds."""
        longest = min(self.max_backoff, self.min_backoff * 2.0 ** min(failures, 16))
        return self.jitter(longest / 2, longest)


@dataclass(slots=True)
class WatchStats:
    """The state of a watch, for readiness and metrics. Written by the watch only."""

    synced: bool = False
    objects: int = 0
    events: int = 0
    relists: int = 0  # lists after the first
    reconnects: int = 0
    undecodable: int = 0
    unhandled: int = 0  # objects on which the handler failed
    last_activity: float = 0.0  # clock.monotonic() of the last bytes of a watch, 0 before the first
    last_error: str = ""

    def problem(self) -> str:
        """Why the watch may be missing changes; "" when it is not."""
        if not self.synced:
            return f"the first list was not read yet ({self.last_error or 'in progress'})"
        silence = clock.monotonic() - self.last_activity
        return f"no data for {silence:.0f} s ({self.last_error})" if silence > _SILENCE_LIMIT_SECONDS else ""
