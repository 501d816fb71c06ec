"""Leader election: of several operators only the one that holds a Lease acts; the others poll the Lease and wait.

Durations are measured by each process's own monotonic clock; the times of day in a Lease are for people. The leader
acts for a while after it *sent* its last successful renewal; a candidate waits longer, from when it *observed* that
renewal. So the leader has stopped before a candidate begins, whichever was paused, cut off, or has a wrong clock.
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

_log = structlog.get_logger("prunella.leader_election")

_NEVER = float("-inf")
_UNHELD = "(none yet)"


class NotLeader(Retryable):
    """Another operator may act by now: nothing was sent."""


class Timing(NamedTuple):
    """Seconds, all of them fractions of the lease duration."""

    lease: int
    """A candidate may acquire a Lease that it has observed unchanged for so long."""

    @property
    def lead_duration(self) -> float:
        """A leader acts for so long after it sent its last successful renewal."""
        return self.lease * 2 / 3

    @property
    def retry_interval(self) -> float:
        """From one read or renewal to the next."""
        return self.lease / 6

    @property
    def call_timeout(self) -> float:
        """The limit of one read or renewal, so that one that hangs leaves time for another."""
        return self.lease / 4


class Lease(NamedTuple):
    """A Lease as it was read. Without a holder it was released."""

    holder: str
    version: str
    seconds: float
    transitions: int

    @classmethod
    def from_object(cls, raw: Object, default_seconds: float) -> Self:
        """Read the object; `default_seconds` is its duration if it has none."""
        spec = raw.get("spec") or {}
        return cls(
            spec.get("holderIdentity") or "",
            raw["metadata"]["resourceVersion"],
            float(spec.get("leaseDurationSeconds") or default_seconds),
            spec.get("leaseTransitions") or 0,
        )


def new_identity() -> str:
    """Make a name for this process alone: a restarted one is another candidate, and waits like any other."""
    return f"{socket.gethostname()}_{secrets.token_hex(4)}"


class LeaderElector:
    """One candidate for one Lease. `problem` is why it cannot take part; "" when it can."""

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
        self._observed: Lease | None = None
        self._observed_at = _NEVER
        self.problem = "the lease was not read yet"

    @property
    def leading(self) -> bool:
        """True while we may act: valid at this very moment only."""
        return self._now() < self._until

    def check(self) -> None:
        """Check the lead right before a write: a leader that was paused notices it here. Raises NotLeader."""
        if not self.leading:
            raise NotLeader("another operator may lead by now")

    async def run(self, work: Callable[[], Coroutine[Any, Any, None]]) -> NoReturn:
        """Do the work whenever we lead, until cancelled; then release the lease, so that no candidate has to wait."""
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
        """Do the work for as long as renewals succeed. Raises whatever ended the work."""
        _log.info("acquired leadership", lease=self._name, identity=self._identity)
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
        _log.warning("lost leadership", lease=self._name, identity=self._identity, problem=self.problem)

    def _time_left(self) -> float:
        return max(0.0, self._until - self._now())

    def _pause(self, began: float) -> float:
        """Seconds until the next try, by the beginning of this one: none after one that hung, or at a lease's end."""
        now = self._now()
        due = [began + self._timing.retry_interval]
        if self._observed is not None and (expires := self._observed_at + self._observed.seconds) > now:
            due.append(expires)
        return max(0.0, min(due) - now)

    async def _try_once(self, timeout_seconds: float) -> None:
        """Renew, acquire or read the lease. The next try follows whatever fails."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._renew_or_acquire(self._now())
            self.problem = ""
        except TimeoutError:
            self.problem = "the API server does not answer"
        except Conflict:
            self._observed = None  # someone wrote to it: the next read shows who
            self.problem = ""
        except PrunellaError as error:
            self.problem = f"{error}"

    async def _renew_or_acquire(self, began: float) -> None:
        if self._observed is None or self._observed.holder != self._identity:
            await self._read()
        if self._observed is not None and self._may_write(self._observed):
            await self._write(self._observed, began)

    async def _read(self) -> None:
        try:
            raw = await self._rest.get(self._path())
        except NotFound:
            raw = await self._create_unheld()
        lease = Lease.from_object(raw, self._timing.lease)
        if self._observed is None or lease.version != self._observed.version:
            self._observed, self._observed_at = lease, self._now()
        if lease.holder not in {self._identity, _UNHELD}:
            self._until = _NEVER

    async def _create_unheld(self) -> Object:
        """Create the missing lease without a holder: so all candidates observe since when it is not renewed."""
        spec = {"holderIdentity": _UNHELD, "leaseDurationSeconds": self._timing.lease}
        body: Object = {"apiVersion": paths.LEASES, "kind": "Lease", "metadata": {"name": self._name}, "spec": spec}
        return await self._rest.create(paths.leases(self._namespace), body)

    def _may_write(self, lease: Lease) -> bool:
        """A deleted lease costs no one the lead: the leader takes the new one, and the others wait."""
        if lease.holder in {self._identity, ""} or (self.leading and lease.holder == _UNHELD):
            return True
        return self._now() - self._observed_at >= lease.seconds

    async def _write(self, lease: Lease, began: float) -> None:
        now = clock.now().isoformat(timespec="microseconds")
        spec: Object = {"holderIdentity": self._identity, "leaseDurationSeconds": self._timing.lease, "renewTime": now}
        if lease.holder != self._identity:
            spec |= {"acquireTime": now, "leaseTransitions": lease.transitions + 1}
        try:
            raw = await self._patch(lease, spec)
        except NotFound:
            self._observed = None
            raise
        self._observed, self._observed_at = Lease.from_object(raw, self._timing.lease), self._now()
        self._until = began + self._timing.lead_duration

    async def _patch(self, lease: Lease, spec: Object) -> Object:
        """Write it if no one has written since we read it: the first of several candidates wins."""
        body: Object = {"metadata": {"resourceVersion": lease.version}, "spec": spec}
        return await self._rest.patch(self._path(), body, MERGE_PATCH)

    async def _release(self) -> None:
        """Release the lease if it is still ours. A renewal that our work's end interrupted may have changed it."""
        self._until = _NEVER
        try:
            async with asyncio.timeout(self._timing.call_timeout):
                await self._read()
                if self._observed is not None and self._observed.holder == self._identity:
                    await self._patch(self._observed, {"holderIdentity": ""})
                    _log.info("released leadership", lease=self._name, identity=self._identity)
        except (PrunellaError, TimeoutError) as error:
            _log.info("cannot release the lease; it expires by itself", lease=self._name, error=f"{error}")

    def _path(self) -> str:
        return paths.leases(self._namespace, self._name)
