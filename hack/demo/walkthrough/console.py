"""What the demo says: numbered steps with their time, and errors that a person can act on."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.text import Text

from prunella_operator.presentation.terminal import console, safe


class DemoError(Exception):
    """Something that ends the demo: its text says what happened and where to look."""


class Narrator:
    """Prints the steps. On a terminal each is one line that fills in; in a log, one line when it begins and ends."""

    def __init__(self, out: Console | None = None) -> None:
        self.out = out or console(sys.stdout)
        self._numbers = count(1)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step; a failure is marked and goes on to the caller."""
        label = f"{next(self._numbers):>2}. {title}"
        began = time.monotonic()
        with self.out.status(Text(label)):
            if not self.out.is_terminal:
                self.say(f"{label} ...")
            try:
                yield
            except BaseException as error:
                word = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                self._end(label, word, "bold red", began)
                raise
        self._end(label, "done", "green", began)

    def _end(self, label: str, word: str, style: str, began: float) -> None:
        self.out.print(
            Text(f"{label}:"), Text(word, style=style), Text(f"({time.monotonic() - began:.1f} s)", style="dim")
        )

    def say(self, text: str, style: str = "") -> None:
        """A line."""
        self.out.print(safe(text, style), soft_wrap=True)
