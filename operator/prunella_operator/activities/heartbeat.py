"""Signs of life of a step that waits for a service, so that it is taken again soon when its worker has died."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from temporalio import activity

_EVERY = 5.0  # seconds


@contextmanager
def heartbeating() -> Iterator[None]:
    """Tell Temporal every few seconds that this activity is alive, from a thread beside it."""
    over, context = threading.Event(), copy_context()

    def beat() -> None:
        while not over.wait(_EVERY):
            context.run(activity.heartbeat)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
