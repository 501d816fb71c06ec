"""Heartbeats of an activity that waits for a service, so that it is retried soon after its worker dies."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from temporalio import activity

_INTERVAL_SECONDS = 5.0


@contextmanager
def heartbeating() -> Iterator[None]:
    """Send a heartbeat every few seconds, from a separate thread."""
    done, context = threading.Event(), copy_context()

    def beat() -> None:
        while not done.wait(_INTERVAL_SECONDS):
            context.run(activity.heartbeat)

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
