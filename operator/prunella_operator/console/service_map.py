"""The map of services: who calls whom, how each one is, and where anomalies come from. Pure functions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prunella_operator.incidents.client import Listed

Row = Mapping[str, Any]

_MAX_BOXES = 60
_MAX_ROWS = 500
_WIDTH, _HEIGHT = 170, 40  # of a box, in pixels
_RIGHT, _DOWN = 240, 56  # from box to box
_TONES = {"Critical": "bad", "Anomalous": "warn", "Healthy": "good", "Learning": "busy"}


@dataclass(frozen=True)
class Box:
    """A service in the picture: its upper left corner and its number in the list."""

    number: int
    name: str
    tone: str
    x: int
    y: int


@dataclass(frozen=True)
class Arrow:
    """Calls from one box to another; `blamed`: the anomaly of the caller comes from there."""

    path: str
    text: str
    blamed: bool


def services_page(found: Mapping[str, Sequence[Row]], incidents: Iterable[Listed]) -> dict[str, Any]:
    """The page of services, the worst first. The picture has the first ones, and those that they name as origin."""
    services, calls = found["services"], found["calls"]
    boxes = _place(_choose(services), calls)
    links = {(one.namespace, one.target): one for one in incidents if not one.phase.closed}
    return {
        "boxes": list(boxes.values()),
        "arrows": [_draw(call, boxes, services) for call in calls if {call["caller"], call["callee"]} <= boxes.keys()],
        "width": max((box.x + _WIDTH for box in boxes.values()), default=0),
        "height": max((box.y + _HEIGHT for box in boxes.values()), default=0),
        "box": (_WIDTH, _HEIGHT),
        "rows": [_row(one, services, links) for one in services[:_MAX_ROWS]],
        "missing": len({one["name"] for one in services}) - len(boxes),
    }


def _row(service: Row, services: Sequence[Row], incidents: Mapping[tuple[str, str], Listed]) -> dict[str, Any]:
    name = service["name"]
    return {
        **service,
        "tone": _TONES.get(service["state"], ""),
        "dependants": [one["name"] for one in services if one["origin"] == name and one["name"] != name],
        "incident": incidents.get((service["namespace"], f"{service['kind']}/{service['workload']}")),
    }


def _choose(services: Sequence[Row]) -> dict[str, tuple[int, str]]:
    """The services with a box: their numbers in the list, and tones."""
    origins = {one["origin"] for one in services[:_MAX_BOXES]}
    chosen: dict[str, tuple[int, str]] = {}
    for number, one in enumerate(services):
        if number < _MAX_BOXES or one["name"] in origins:
            chosen.setdefault(one["name"], (number, _TONES.get(one["state"], "")))
    return chosen


def _place(chosen: Mapping[str, tuple[int, str]], calls: Sequence[Row]) -> dict[str, Box]:
    """Boxes in columns, callers left of those that they call."""
    filled: dict[int, int] = {}
    boxes = {}
    for name, column in _columns(chosen, calls).items():
        number, tone = chosen[name]
        row = filled[column] = filled.get(column, -1) + 1
        boxes[name] = Box(number, name, tone, _RIGHT * column, _DOWN * row)
    return boxes


def _columns(names: Iterable[str], calls: Sequence[Row]) -> dict[str, int]:
    """The length of the longest chain of calls to each; a call back into the chain does not count."""
    callers: dict[str, list[str]] = {name: [] for name in names}
    for call in calls:
        if call["caller"] in callers and call["callee"] in callers:
            callers[call["callee"]].append(call["caller"])
    columns: dict[str, int] = {}

    def column(name: str, chain: frozenset[str]) -> int:
        if name not in columns:
            above = [column(caller, chain | {name}) for caller in callers[name] if caller not in chain | {name}]
            columns[name] = max(above, default=-1) + 1
        return columns[name]

    for name in callers:
        column(name, frozenset())
    return columns


def _draw(call: Row, boxes: Mapping[str, Box], services: Sequence[Row]) -> Arrow:
    caller, callee = boxes[call["caller"]], boxes[call["callee"]]
    origin = services[caller.number]["origin"]
    blamed = origin not in ("", caller.name) and origin in (callee.name, services[callee.number]["origin"])
    share = call["errors"] / call["requests"] if call["requests"] else 0.0
    text = f"{caller.name} calls {callee.name}: {call['requests']} in 5 minutes, {100 * share:.1f} % failed"
    x1, y1, x2, y2 = caller.x + _WIDTH, caller.y + _HEIGHT // 2, callee.x, callee.y + _HEIGHT // 2
    bend = (_RIGHT - _WIDTH) // 2
    return Arrow(f"M{x1},{y1}C{x1 + bend},{y1} {x2 - bend},{y2} {x2 - 4},{y2}", text, blamed)
