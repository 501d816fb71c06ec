"""Remembers what was told already: Temporal may run the last task of a workflow again, when something came between."""

from collections import OrderedDict
from threading import Lock

_REMEMBERED = 10_000


class Once:
    """A bounded memory of keys, safe between threads."""

    def __init__(self, most: int = _REMEMBERED) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._most = most
        self._lock = Lock()

    def first(self, key: str) -> bool:
        """Whether this key is seen for the first time, as far as we remember."""
        with self._lock:
            if key in self._seen:
                return False
            self._seen[key] = None
            if len(self._seen) > self._most:
                self._seen.popitem(last=False)
            return True
