"""Deduplication: Temporal may run the last task of a workflow again, for instance after a signal."""

from collections import OrderedDict
from threading import Lock

_MAX_KEYS = 10_000


class Once:
    """A bounded memory of keys, safe between threads."""

    def __init__(self, limit: int = _MAX_KEYS) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._limit = limit
        self._lock = Lock()

    def first(self, key: str) -> bool:
        """True when this key is seen for the first time within the last `limit` keys."""
        with self._lock:
            if key in self._seen:
                return False
            self._seen[key] = None
            if len(self._seen) > self._limit:
                self._seen.popitem(last=False)
            return True
