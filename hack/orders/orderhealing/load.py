"""Customers, in a thread of their own, until they are stopped."""

import asyncio
from concurrent.futures import Future
from threading import Thread
from typing import Self

from prunella_orders.load.sender import Sender, Sent

PATIENCE_SECONDS = 600.0
_LONGEST_SECONDS = 3600.0


class Load:
    """Sends orders at a rate while its block lasts; `sent` are all of them, once each has its answer."""

    def __init__(self, url: str, name: str, rate: float) -> None:
        self._sender = Sender(url, name, patience=PATIENCE_SECONDS)
        self._rate = rate
        self._result: Future[Sent] = Future()
        self._thread = Thread(target=self._send, name=name, daemon=True)  # Ctrl-C does not wait for answers

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.stop()

    def sent(self) -> Sent:
        """Wait for the answers. Raises what the thread raised."""
        return self._result.result(2 * PATIENCE_SECONDS)

    def _send(self) -> None:
        try:
            self._result.set_result(asyncio.run(self._sender.send(self._rate, _LONGEST_SECONDS)))
        except BaseException as error:  # noqa: BLE001 - `sent` raises it
            self._result.set_exception(error)
