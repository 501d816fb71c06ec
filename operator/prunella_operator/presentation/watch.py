"""Incidents as they change: a table redrawn in place on a terminal, one line per change elsewhere."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from prunella_operator.incidents.client import Incident
from prunella_operator.presentation.terminal import change_line, incident_table, safe
from prunella_workflows.model.errors import Unavailable

Poll = Callable[[], Sequence[Incident]]
Done = Callable[[Sequence[Incident]], bool]
EVERY = 1.0


def all_closed(incidents: Sequence[Incident]) -> bool:
    """Whether there was something to see and all of it is over."""
    return bool(incidents) and all(incident.phase.closed for incident in incidents)


def never(_: Sequence[Incident]) -> bool:
    """Watch until the person has seen enough."""
    return False


def follow(
    poll: Poll,
    out: Console,
    now: Callable[[], datetime],
    done: Done = never,
    sleep: Callable[[float], None] = time.sleep,
) -> Sequence[Incident]:
    """Show what `poll` finds, every second, until `done`. An API server that is away for a moment does not end it."""
    return (_redraw if out.is_terminal else _append)(poll, out, now, done, sleep)


def _redraw(
    poll: Poll, out: Console, now: Callable[[], datetime], done: Done, sleep: Callable[[float], None]
) -> Sequence[Incident]:
    shown: Sequence[Incident] = ()
    with Live(console=out, auto_refresh=False, vertical_overflow="visible") as live:
        while True:
            shown, trouble = _look(poll, shown)
            live.update(_screen(shown, now(), trouble, out.width), refresh=True)
            if done(shown):
                return shown
            sleep(EVERY)


def _append(
    poll: Poll, out: Console, now: Callable[[], datetime], done: Done, sleep: Callable[[float], None]
) -> Sequence[Incident]:
    shown: Sequence[Incident] = ()
    printed: dict[str, str] = {}
    while True:
        shown, trouble = _look(poll, shown)
        lines = {one.metadata.uid: change_line(one) for one in shown} | ({"": trouble} if trouble else {})
        for key, line in lines.items():
            if printed.get(key) != line:
                out.print(Text(f"{now():%H:%M:%S} ") + safe(line), soft_wrap=True)
        printed = lines
        if done(shown):
            return shown
        sleep(EVERY)


def _look(poll: Poll, before: Sequence[Incident]) -> tuple[Sequence[Incident], str]:
    try:
        return poll(), ""
    except Unavailable as error:
        return before, str(error)


def _screen(incidents: Sequence[Incident], now: datetime, trouble: str, width: int) -> RenderableType:
    several = len({incident.namespace for incident in incidents}) > 1
    parts: list[RenderableType] = [incident_table(incidents, now, several, width)] if incidents else []
    if not incidents:
        parts.append(Text("No incidents so far. Ctrl-C ends the watch.", style="dim"))
    parts += [
        Text("  ") + safe(f"{incident.name}: {incident.status.message}", "dim")
        for incident in incidents
        if incident.status.message
    ]
    parts += [safe(trouble, "yellow")] if trouble else []
    return Group(*parts)
