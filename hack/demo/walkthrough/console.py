"""The output of the demo: numbered steps with their duration, and actionable errors."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from rich.console import Console
from rich.text import Text

from prunella_operator.presentation.terminal import console, safe


class DemoError(Exception):
    """An error that ends the demo; its text names the cause and where to look."""


class Narrator:
    """Prints the steps: on a terminal one line each, updated in place; elsewhere a line at start and end."""

    def __init__(self, out: Console | None = None) -> None:
        self.out = out or console(sys.stdout)
        self._numbers = count(1)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One step; a failure is printed and raised to the caller."""
        label = f"{next(self._numbers):>2}. {title}"
        started = time.monotonic()
        with self.out.status(Text(label)):
            if not self.out.is_terminal:
                self.print(f"{label} ...")
            try:
                yield
            except BaseException as error:
                outcome = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
                self._end(label, outcome, "bold red", started)
                raise
        self._end(label, "done", "green", started)

    def _end(self, label: str, outcome: str, style: str, started: float) -> None:
        self.out.print(
            Text(f"{label}:"), Text(outcome, style=style), Text(f"({time.monotonic() - started:.1f} s)", style="dim")
        )

    def print(self, text: str, style: str = "") -> None:
        """Print a line."""
        self.out.print(safe(text, style), soft_wrap=True)
