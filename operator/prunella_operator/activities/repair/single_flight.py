"""Combining: one look serves everybody who asked for it before it began."""

from collections.abc import Callable
from threading import Condition
from typing import Generic, TypeVar

T = TypeVar("T")


class SingleFlight(Generic[T]):
    """A look that many threads want at once, taken by one of them at a time.

    Each gets a look that began after it asked, as if it had looked itself.
    """

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._changed = Condition()
        self._begun = self._done = 0
        self._found: tuple[T, ...] = ()

    def __call__(self) -> T:
        """Look, or wait for somebody who does. What a look raises is raised to the one who looked; others look anew."""
        with self._changed:
            wanted = self._begun + 1
            while self._done < self._begun and not self._serves(wanted):
                self._changed.wait()
            if self._serves(wanted):
                return self._found[0]
            self._begun += 1
        return self._taken()

    def _serves(self, wanted: int) -> bool:
        return bool(self._found) and self._done >= wanted

    def _taken(self) -> T:
        found: tuple[T, ...] = ()
        try:
            found = (self._look(),)
        finally:
            with self._changed:
                self._done, self._found = self._begun, found
                self._changed.notify_all()
        return found[0]
