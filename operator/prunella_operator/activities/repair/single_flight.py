"""Single flight: one read serves every thread that asked for it before it began."""

from collections.abc import Callable
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """A read that many threads want, by one at a time. Each gets the result of a read that began after its call."""

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._changed = Condition()
        self._begun = self._done = 0
        self._result: tuple[T, ...] = ()

    def __call__(self) -> T:
        """Read, or wait for a thread that does. An error is raised only where it occurred; the others read again."""
        with self._changed:
            wanted = self._begun + 1
            while self._done < self._begun and not self._serves(wanted):
                self._changed.wait()
            if self._serves(wanted):
                return self._result[0]
            self._begun += 1
        return self._read_and_share()

    def _serves(self, wanted: int) -> bool:
        return bool(self._result) and self._done >= wanted

    def _read_and_share(self) -> T:
        result: tuple[T, ...] = ()
        try:
            result = (self._read(),)
        finally:
            with self._changed:
                self._done, self._result = self._begun, result
                self._changed.notify_all()
        return result[0]
