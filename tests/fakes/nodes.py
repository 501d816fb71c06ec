"""Machines in virtual time, each with its own event loop, clock and network, to be paused, partitioned and killed.

A paused machine runs nothing while its clock goes on; overdue timers fire in order when it resumes.
"""

import asyncio
import heapq
from dataclasses import dataclass, field
from typing import Any

from fakes.kube import FakeKube, FakeRest

from prunella_workflows.model.errors import Unavailable

_SETTLED = 1000  # passes of an event loop without a timer


class World:
    """The real time, an API server, and the machines."""

    def __init__(self):
        self.now = 0.0
        self.kube = FakeKube()
        self.nodes = []
        self.graveyard = []
        self.after = lambda: None
        """Called after every step of every machine, to check invariants."""

    def run(self, seconds):
        """Let time pass, from one timer of a machine to the next."""
        end = self.now + seconds
        while (due := min((node.next_at() for node in self.nodes), default=end)) <= end:
            self._at(max(due, self.now))
        self._at(end)

    def _at(self, moment):
        self.now = moment
        for node in self.nodes:
            node.work()
            self.after()

    def until(self, holds, at_most):
        """Let time pass until something holds; return the seconds."""
        began = self.now
        while not holds():
            assert self.now - began < at_most, f"it did not happen within {at_most} s"
            self.run(0.05)
        return self.now - began

    def close(self):
        """Stop all machines. Their running tasks are cancelled, and write nothing any more."""
        self.after = lambda: None
        self.nodes += self.graveyard
        for node in self.nodes:
            node.cut, node.paused = "refuses", False
            node.stop()
        self.until(lambda: all(node.ended for node in self.nodes), at_most=100)
        for node in self.nodes:
            node._loop.close()


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self, world):
        self._world = world
        super().__init__()

    def time(self):
        return self._world.now


@dataclass
class Node:
    """A machine. `rate` and `offset` are its clock's; `delay` is the time of a request's round trip."""

    world: World
    rate: float = 1.0
    offset: float = 0.0
    delay: float = 0.01
    paused: bool = False
    cut: str = ""
    """The network fault: `hangs`, `refuses`, or `one-way`, where requests arrive but responses do not."""
    _loop: _Loop = field(init=False)
    _task: asyncio.Task[Any] | None = None

    def __post_init__(self):
        self._loop = _Loop(self.world)
        self.world.nodes.append(self)

    def clock(self):
        return self.offset + self.rate * self.world.now

    def start(self, work):
        self._task = self._loop.create_task(work)
        self.work()

    def stop(self):
        """Stop as SIGTERM does: the work is cancelled, and has time to clean up."""
        self._task.cancel()

    def kill(self):
        """Kill it: nothing of it runs any more, not even clean-up."""
        self.world.nodes.remove(self)
        self.world.graveyard.append(self)

    @property
    def ended(self):
        return self._task.done()

    def next_at(self):
        """The time of its next timer; infinity while it is paused."""
        timers = [timer for timer in self._loop._scheduled if not timer.cancelled()]
        return heapq.nsmallest(1, timers)[0].when() if timers and not self.paused else float("inf")

    def work(self):
        """Run the callbacks that are due now."""
        if self.paused:
            return
        for _ in range(_SETTLED):
            self._loop.call_soon(self._loop.stop)
            self._loop.run_forever()
            if not self._loop._ready and self.next_at() > self.world.now:
                return

    @property
    def rest(self):
        return _Network(self)


class _Network(FakeRest):
    """The API server as reached from one machine."""

    def __init__(self, node):
        super().__init__(node.world.kube)
        self._node = node

    async def get(self, path, params=None):
        return await self._exchange(super().get(path, params))

    async def create(self, path, body, params=None):
        return await self._exchange(super().create(path, body, params))

    async def patch(self, path, body, content_type, params=None):
        return await self._exchange(super().patch(path, body, content_type, params))

    async def _exchange(self, call):
        try:
            await self._travel("hangs", "refuses")
            answer = await call
        finally:
            call.close()
        await self._travel("hangs", "refuses", "one-way")
        return answer

    async def _travel(self, *broken):
        await asyncio.sleep(self._node.delay)
        if self._node.cut not in broken:
            return
        if self._node.cut == "refuses":
            raise Unavailable("connection refused")
        await asyncio.Event().wait()
