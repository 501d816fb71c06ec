"""What runs in this process: its background parts, and what keeps each from being ready."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from temporalio.client import Interceptor
from temporalio.runtime import Runtime

_AGAIN = 32.0  # seconds; longer than a worker's grace, which a second cancellation would cut short


@dataclass(slots=True)
class Process:
    """What runs in this process: its parts' readiness and its background tasks."""

    checks: dict[str, Callable[[], str]] = field(default_factory=dict)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    interceptors: list[Interceptor] = field(default_factory=list)
    """What each of the process's Temporal clients carries: counting, and tracing when it is on."""
    runtime: Runtime | None = None
    """What each of them runs on, and measures with."""

    parts: list["Process"] = field(default_factory=list)
    """What runs in it for a while only."""

    def readiness(self) -> dict[str, str]:
        """Each part and what keeps it from being ready ("" when it is)."""
        said = {name: check() for name, check in self.checks.items()}
        for part in self.parts:
            said |= part.readiness()
        return said

    @asynccontextmanager
    async def part(self) -> AsyncIterator["Process"]:
        """Something that runs for a while only, such as while we lead. It ends, and is silent, with the context."""
        part = Process(interceptors=self.interceptors, runtime=self.runtime)
        self.parts.append(part)
        try:
            yield part
        finally:
            await part.stop()
            self.parts.remove(part)

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run a part in the background for as long as the process lives."""
        self.tasks.append(asyncio.create_task(work, name=name))

    async def ended(self) -> NoReturn:
        """Wait until any part ends, which none should.

        Raises:
            whatever ended it.
        """
        done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop()
        first.result()
        raise RuntimeError(f"{first.get_name()} ended by itself")

    async def stop(self) -> None:
        """Cancel all parts and wait until they have let go; one that missed it is told again."""
        pending = set(self.tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_AGAIN)
