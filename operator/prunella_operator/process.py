"""The parts of this process: their background tasks, and what keeps each of them from being ready."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NoReturn

from temporalio.client import Interceptor
from temporalio.runtime import Runtime

_CANCEL_INTERVAL_SECONDS = 32.0  # longer than a worker's grace period, which a second cancellation would cut short


@dataclass(slots=True)
class Process:
    """Readiness checks and background tasks."""

    checks: dict[str, Callable[[], str]] = field(default_factory=dict)
    tasks: list[asyncio.Task[Any]] = field(default_factory=list)
    interceptors: list[Interceptor] = field(default_factory=list)
    """Interceptors of all Temporal clients of the process: counting, and tracing when it is on."""
    runtime: Runtime | None = None
    """The runtime of all Temporal clients of the process, with their metrics."""
    parts: list["Process"] = field(default_factory=list)
    """Parts that run for a limited time."""

    def readiness(self) -> dict[str, str]:
        """Each part and what keeps it from being ready ("" when it is)."""
        reasons = {name: check() for name, check in self.checks.items()}
        for part in self.parts:
            reasons |= part.readiness()
        return reasons

    @asynccontextmanager
    async def part(self) -> AsyncIterator["Process"]:
        """Run a part for a limited time, such as while we lead. Its tasks and checks end with the context."""
        part = Process(interceptors=self.interceptors, runtime=self.runtime)
        self.parts.append(part)
        try:
            yield part
        finally:
            await part.stop()
            self.parts.remove(part)

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Run a task in the background until the process stops."""
        self.tasks.append(asyncio.create_task(work, name=name))

    async def ended(self) -> NoReturn:
        """Wait until any task ends, which none should. Raises whatever ended it."""
        done, _ = await asyncio.wait(self.tasks, return_when=asyncio.FIRST_COMPLETED)
        first = done.pop()
        first.result()
        raise RuntimeError(f"{first.get_name()} ended by itself")

    async def stop(self) -> None:
        """Cancel all tasks and wait for them. A task that swallowed the cancellation is cancelled again."""
        pending = set(self.tasks)
        while pending:
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_CANCEL_INTERVAL_SECONDS)
