"""A live load: what a shop sends, second by second, in the background of a demo or alone."""

import threading
import time
from collections.abc import Callable

from otlpload.faults import Fault
from otlpload.generator import Generator
from otlpload.sender import Sender
from otlpload.shop import Shop
from otlpload.totals import Totals
from walkthrough.console import Narrator

from prunella_operator import clock


def now() -> int:
    """The second of Unix time."""
    return int(clock.now().timestamp())


class LiveLoad:
    """Sends each second as soon as it is over, up to now; what lies behind is caught up with first.

    `refresh` is called before each second of live telemetry.
    """

    def __init__(
        self, generator: Generator, sender: Sender, since: int, refresh: Callable[[], None] = lambda: None
    ) -> None:
        self._generator, self._sender, self._next, self._refresh = generator, sender, since, refresh
        self._lock, self._stopping = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: Exception | None = None
        self.totals = Totals()

    def catch_up(self, until: int, speed: float) -> None:
        """Send history, `speed` seconds of it in a second."""
        while self._next < until:
            began = time.monotonic()
            self._send_next()
            time.sleep(max(0.0, 1 / speed - (time.monotonic() - began)))

    def start(self) -> None:
        """Go on in the background."""
        self._thread.start()

    def break_down(self, fault: Fault) -> None:
        """Switch the fault on."""
        with self._lock:
            self._generator.switch_on(fault)

    def stop(self) -> None:
        """End, and raise what ended it before, if anything did."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._sender.close()
        self.check()

    def check(self) -> None:
        """Raise what has ended it."""
        if self._error:
            raise self._error

    def _run(self) -> None:
        try:
            while not self._stopping.wait(0.05):
                while self._next < now() and not self._stopping.is_set():
                    self._refresh()
                    self._send_next()
        except Exception as error:  # noqa: BLE001 - check() raises it in the thread that waits
            self._error = error

    def _send_next(self) -> None:
        with self._lock:
            load = self._generator.second(self._next)
        for request in load.requests:
            self._sender.send(request)
        self.totals += load.totals
        self._next += 1


def run_load(address: str, rate: float, seconds: int | None, fault: Fault | None, narrator: Narrator) -> int:
    """Send to a Collector for so many seconds, or until Ctrl-C, and print what was sent."""
    load = LiveLoad(Generator(Shop(), rate), Sender(address), now())
    if fault:
        load.break_down(fault)
    narrator.print(f"sending {rate:g} traces a second to {address}")
    end = None if seconds is None else now() + seconds
    load.start()
    try:
        while end is None or now() < end:
            load.check()
            time.sleep(0.2)
    finally:
        load.stop()
        sent = load.totals
        narrator.print(f"sent {sent.traces} traces: {sent.spans} spans, {sent.points} points, {sent.logs} log records")
    return 0
