"""Leadership: of several operators one acts, which holds a Lease; the others look at it and wait.

Times are measured by each one's own clock that only grows; what a Lease says of the time of day is for people.
Who leads does so for a while after it *sent* its last good renewal; who waits counts a longer while from when it *saw*
that one. So the first has stopped before the second begins, whichever was paused, cut off, or has a wrong clock.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, NoReturn, Self

import structlog

from prunella_operator import clock
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import MERGE_PATCH, Object
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_workflows.model.errors import Conflict, NotFound, PrunellaError, Retryable

_log = structlog.get_logger("prunella.leading")

_NEVER = float("-inf")
_UNHELD = "(nobody yet)"


class NotLeader(Retryable):
    """Another operator may act by now: nothing was sent."""


class Timing(NamedTuple):
    """Seconds, all of them parts of how long a Lease holds."""

    lease: int
    """Who sees a Lease unchanged for so long may take it."""

    @property
    def lead_duration(self) -> float:
        """Who led acts no longer, so long after it sent its last good renewal."""
        return self.lease * 2 / 3

    @property
    def retry_interval(self) -> float:
        """From one look or renewal to the next."""
        return self.lease / 6

    @property
    def call_timeout(self) -> float:
        """What one of them may take, so that one that hangs leaves time for another."""
        return self.lease / 4


class Lease(NamedTuple):
    """A Lease as it was read. Without a holder it was given back."""

    holder: str
    version: str
    seconds: float
    transitions: int

    @classmethod
    def of(cls, raw: Object, usual: float) -> Self:
        """What counts of the object. `usual` is how long it holds if it does not say."""
        spec = raw.get("spec") or {}
        seconds = float(spec.get("leaseDurationSeconds") or usual)
        return cls(
            spec.get("holderIdentity") or "",
            raw["metadata"]["resourceVersion"],
            seconds,
            spec.get("leaseTransitions") or 0,
        )


def new_identity() -> str:
    """A name for this process alone: one that was started again is another, and waits like any other."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


class LeaderElector:
    """One candidate for one Lease. `problem` says why it cannot take part; "" when it can."""

    def __init__(
        self,
        rest: AsyncClient,
        namespace: str,
        name: str,
        timing: Timing,
        *,
        identity: str,
        now: Callable[[], float] = clock.steady,
    ) -> None:
        self._rest = rest
        self._namespace = namespace
        self._name = name
        self._timing = timing
        self._identity = identity
        self._now = now
        self._until = _NEVER
        self._seen: Lease | None = None
        self._seen_at = _NEVER
        self.problem = "the lease was not read yet"

    @property
    def leading(self) -> bool:
        """Whether we may act at this very moment."""
        return self._now() < self._until

    def check(self) -> None:
        """Ask this right before a write: who was paused while it led notices here.

        Raises:
            NotLeading: another one may act by now.
        """
        if not self.leading:
            raise NotLeader("another operator may lead by now")

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> NoReturn:
        """Do the work whenever we lead, until cancelled; then give the lease back, so that nobody has to wait."""
        try:
            while True:
                await self._acquire()
                await self._renew_while_running(work)
        finally:
            await self._release()

    async def _acquire(self) -> None:
        while True:
            began = self._now()
            await self._try_once(self._timing.call_timeout)
            if self.leading:
                return
            await asyncio.sleep(self._pause(began))

    async def _renew_while_running(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Do the work for as long as renewals succeed.

        Raises:
            whatever ended the work.
        """
        _log.info("this operator leads", lease=self._name, identity=self._identity)
        working = asyncio.create_task(work(), name="leader's work")
        try:
            while self.leading and not working.done():
                began = self._now()
                await self._try_once(min(self._timing.call_timeout, self._time_left()))
                await asyncio.wait({working}, timeout=min(self._pause(began), self._time_left()))
        finally:
            working.cancel()
            await asyncio.wait({working})
        if not working.cancelled():
            working.result()
        _log.warning("this operator leads no longer", lease=self._name, identity=self._identity, problem=self.problem)

    def _time_left(self) -> float:
        return max(0.0, self._until - self._now())

    def _pause(self, began: float) -> float:
        """Seconds until the next step, by when this one began: at once after one that hung, or when a lease is due."""
        now = self._now()
        due = [began + self._timing.retry_interval]
        if self._seen is not None and (expires := self._seen_at + self._seen.seconds) > now:
            due.append(expires)
        return max(0.0, min(due) - now)

    async def _try_once(self, within: float) -> None:
        """Renew the lease, take it, or look at it. What fails is tried again by the next step."""
        try:
            async with asyncio.timeout(within):
                await self._renew_or_take(self._now())
            self.problem = ""
        except TimeoutError:
            self.problem = "the API server does not answer"
        except Conflict:
            self._seen = None  # somebody wrote to it: who, the next look tells
            self.problem = ""
        except PrunellaError as error:
            self.problem = f"{error}"

    async def _renew_or_take(self, began: float) -> None:
        if self._seen is None or self._seen.holder != self._identity:
            await self._read()
        if self._seen is not None and self._is_ours_to_write(self._seen):
            await self._write(self._seen, began)

    async def _read(self) -> None:
        try:
            raw = await self._rest.get(self._path())
        except NotFound:
            raw = await self._create_unheld()
        lease = Lease.of(raw, self._timing.lease)
        if self._seen is None or lease.version != self._seen.version:
            self._seen, self._seen_at = lease, self._now()
        if lease.holder not in {self._identity, _UNHELD}:
            self._until = _NEVER

    async def _create_unheld(self) -> Object:
        """Make the lease that is not there, for nobody: so all can see since when it is not renewed."""
        spec = {"holderIdentity": _UNHELD, "leaseDurationSeconds": self._timing.lease}
        body: Object = {"apiVersion": paths.LEASES, "kind": "Lease", "metadata": {"name": self._name}, "spec": spec}
        return await self._rest.create(paths.leases(self._namespace), body)

    def _is_ours_to_write(self, lease: Lease) -> bool:
        """A lease that somebody deleted takes the lead from nobody: who has it takes the new one, the others wait."""
        if lease.holder in {self._identity, ""} or (self.leading and lease.holder == _UNHELD):
            return True
        return self._now() - self._seen_at >= lease.seconds

    async def _write(self, lease: Lease, began: float) -> None:
        now = clock.now().isoformat(timespec="microseconds")
        spec: Object = {"holderIdentity": self._identity, "leaseDurationSeconds": self._timing.lease, "renewTime": now}
        if lease.holder != self._identity:
            spec |= {"acquireTime": now, "leaseTransitions": lease.transitions + 1}
        try:
            raw = await self._patch(lease, spec)
        except NotFound:
            self._seen = None
            raise
        self._seen, self._seen_at = Lease.of(raw, self._timing.lease), self._now()
        self._until = began + self._timing.lead_duration

    async def _patch(self, lease: Lease, spec: Object) -> Object:
        """Who writes first has it: this holds only if nobody wrote since we looked."""
        body: Object = {"metadata": {"resourceVersion": lease.version}, "spec": spec}
        return await self._rest.patch(self._path(), body, MERGE_PATCH)

    async def _release(self) -> None:
        """Give back what is still ours. Our work has ended, maybe in the middle of a renewal, whose answer is lost."""
        self._until = _NEVER
        try:
            async with asyncio.timeout(self._timing.call_timeout):
                await self._read()
                if self._seen is not None and self._seen.holder == self._identity:
                    await self._patch(self._seen, {"holderIdentity": ""})
                    _log.info("the lead is given back", lease=self._name, identity=self._identity)
        except (PrunellaError, TimeoutError) as error:
            _log.info("the lease could not be given back; it ends by itself", lease=self._name, error=f"{error}")

    def _path(self) -> str:
        return paths.leases(self._namespace, self._name)
