"""Incidents as they change: a table redrawn in place on a terminal, one line per change elsewhere."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from prunella_operator.incidents.client import Listed
from prunella_operator.presentation.terminal import change_line, incident_table, safe
from prunella_workflows.model.errors import Unavailable

L = TypeVar("L", bound=Listed)
POLL_INTERVAL_SECONDS = 1.0


def all_closed(incidents: Sequence[Listed]) -> bool:
    """True if there are incidents and all are closed."""
    return bool(incidents) and all(incident.phase.closed for incident in incidents)


def follow(
    poll: Callable[[], Sequence[L]],
    out: Console,
    now: Callable[[], datetime],
    is_done: Callable[[Sequence[L]], bool] = lambda _: False,
    sleep: Callable[[float], None] = time.sleep,
) -> Sequence[L]:
    """Show what `poll` returns, every second, until `is_done`. Tolerates an unavailable API server."""
    show = _redraw if out.is_terminal else _append
    return show(_poll_until(poll, is_done, sleep), out, now)


Polled = Iterator[tuple[Sequence[L], str]]
"""Incidents, and the error when the last poll failed."""


def _poll_until(
    poll: Callable[[], Sequence[L]], is_done: Callable[[Sequence[L]], bool], sleep: Callable[[float], None]
) -> Polled[L]:
    incidents: Sequence[L] = ()
    while True:
        try:
            incidents, error = poll(), ""
        except Unavailable as unavailable:
            error = str(unavailable)
        yield incidents, error
        if is_done(incidents):
            return
        sleep(POLL_INTERVAL_SECONDS)


def _redraw(polled: Polled[L], out: Console, now: Callable[[], datetime]) -> Sequence[L]:
    incidents: Sequence[L] = ()
    with Live(console=out, auto_refresh=False, vertical_overflow="visible") as live:
        for incidents, error in polled:
            live.update(_screen(incidents, now(), error, out.width), refresh=True)
    return incidents


def _append(polled: Polled[L], out: Console, now: Callable[[], datetime]) -> Sequence[L]:
    incidents: Sequence[L] = ()
    printed: dict[str, str] = {}
    for incidents, error in polled:
        lines = {incident.metadata.uid: change_line(incident) for incident in incidents}
        lines |= {"": error} if error else {}
        for key, line in lines.items():
            if printed.get(key) != line:
                out.print(Text(f"{now():%H:%M:%S} ") + safe(line), soft_wrap=True)
        printed = lines
    return incidents


def _screen(incidents: Sequence[Listed], now: datetime, error: str, width: int) -> RenderableType:
    several = len({incident.namespace for incident in incidents}) > 1
    nothing = Text("No incidents yet. Press Ctrl-C to stop.", style="dim")
    table = incident_table(incidents, now, several, width) if incidents else nothing
    messages = ((incident.name, incident.status.message) for incident in incidents if incident.status.message)
    lines = [Text("  ") + safe(f"{name}: {message}", "dim") for name, message in messages]
    return Group(table, *lines, *([safe(error, "yellow")] if error else []))
