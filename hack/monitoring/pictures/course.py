"""The panel of lines over time, with its axes, its targets and its legend."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from time import gmtime, strftime

from pictures.series import Json, Line, Points, Window
from pictures.svg import COLOURS, LETTER, Box, cut, element, path, straight, words
from pictures.values import moments, said, ticks

_ROW = 14
_LEGEND_ROWS = 4
_MORE = 90
"""Pixels for the count of names that have no room."""
_MARK = 16
"""Pixels for the coloured stroke before a name."""


@dataclass(frozen=True)
class Plane:
    """Maps a moment and a value to their place in the picture."""

    box: Box
    window: Window
    top: float

    def at(self, when: float, value: float) -> tuple[float, float]:
        """The place, in pixels; what is beyond the top is drawn at the top."""
        x = self.box.x + self.box.width * (when - self.window.start) / self.window.length
        return x, self.box.bottom - self.box.height * min(value, self.top) / self.top


def course(panel: Json, lines: Sequence[Line], box: Box, window: Window) -> Iterator[str]:
    """The whole inside of the panel."""
    defaults = panel["fieldConfig"]["defaults"]
    shown = list(_legend(lines, box))
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    drawn = _piled(lines) if stacked else [line.points for line in lines]
    marks = ticks(_highest(defaults, drawn), defaults["unit"])
    plane = Plane(box.less(left=54, top=6, right=18, bottom=18 + _ROW * len(shown) + 4), window, marks[-1])
    yield from _axes(plane, marks, defaults["unit"])
    yield from (_areas if stacked else _strokes)(plane, drawn)
    yield from _targets(plane, defaults)
    for number, row in enumerate(shown):
        yield from _legend_row(row, box.x + 6, box.bottom - _ROW * (len(shown) - number) + 8)


def _highest(defaults: Json, drawn: Sequence[Points]) -> float:
    """The end of the axis, as in Grafana: lines of thresholds do not count, but a soft maximum does."""
    if "max" in defaults:
        return float(defaults["max"])
    values = [value for points in drawn for _, value in points]
    return float(max([*values, defaults["custom"].get("axisSoftMax", 0)]) or 1)


def _piled(lines: Sequence[Line]) -> list[Points]:
    """Each series on top of those before it."""
    times = sorted({when for line in lines for when, _ in line.points})
    known = [dict(line.points) for line in lines]
    rows = [[one.get(when, 0.0) for when in times] for one in known]
    sums = list(accumulate(rows, lambda below, row: [a + b for a, b in zip(below, row, strict=True)]))
    return [tuple(zip(times, row, strict=True)) for row in sums]


def _axes(plane: Plane, marks: Sequence[float], unit: str) -> Iterator[str]:
    box = plane.box
    for value in marks:
        _, y = plane.at(0, value)
        yield straight(box.x, y, box.right, y, "grid")
        yield words(box.x - 5, y + 4, said(value, unit), "faint", "end")
    for when in moments(plane.window.start, plane.window.end, max(2, int(box.width / 50))):
        x, _ = plane.at(when, 0)
        yield straight(x, box.y, x, box.bottom, "grid")
        yield words(x, box.bottom + 14, strftime("%H:%M", gmtime(when)), "faint", "middle")


def _strokes(plane: Plane, drawn: Sequence[Points]) -> Iterator[str]:
    for number, points in enumerate(drawn):
        for run in _runs(points, plane.window.step):
            yield path([plane.at(*one) for one in run], _kind(number), stroke=_colour(number))


def _runs(points: Points, step: int) -> Iterator[Points]:
    """Points that follow each other; where one is missing the line ends."""
    begin = 0
    for number in range(1, len(points) + 1):
        if number == len(points) or points[number][0] - points[number - 1][0] > step:
            yield points[begin:number]
            begin = number


def _areas(plane: Plane, drawn: Sequence[Points]) -> Iterator[str]:
    """Each from the one below it."""
    floors = [tuple((when, 0.0) for when, _ in points) for points in drawn[:1]] + list(drawn[:-1])
    for number, (floor, points) in enumerate(zip(floors, drawn, strict=True)):
        upper, lower = ([plane.at(*one) for one in line] for line in (points, floor))
        yield path([*upper, *reversed(lower)], "area", closed=True, fill=_colour(number))
        yield path(upper, _kind(number), stroke=_colour(number))


def _targets(plane: Plane, defaults: Json) -> Iterator[str]:
    """Lines of thresholds that are within the axis, in their colours."""
    if defaults["custom"]["thresholdsStyle"]["mode"] == "off":
        return
    for step in defaults["thresholds"]["steps"][1:]:
        if step["value"] <= plane.top:
            _, y = plane.at(0, step["value"])
            yield straight(plane.box.x, y, plane.box.right, y, f"target {step['color']}")


def _colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def _kind(number: int) -> str:
    return "line" if number < len(COLOURS) else "line second"


def _legend(lines: Sequence[Line], box: Box) -> Iterator[list[tuple[int, str]]]:
    """Rows of numbers and names; what has no room is counted in the last one."""
    rows: list[list[tuple[int, str]]] = [[]]
    for number, one in enumerate(lines):
        name = cut(one.name, box.width - _MORE - _MARK - 20)
        if rows[-1] and _width([*rows[-1], (number, name)]) > box.width - (_MORE if len(rows) == _LEGEND_ROWS else 12):
            if len(rows) == _LEGEND_ROWS:
                rows[-1].append((-1, f"and {len(lines) - number} more"))
                break
            rows.append([])
        rows[-1].append((number, name))
    yield from (row for row in rows if row)


def _width(row: Sequence[tuple[int, str]]) -> float:
    return sum(_MARK + LETTER * len(name) + 10 for _, name in row)


def _legend_row(row: Sequence[tuple[int, str]], x: float, y: float) -> Iterator[str]:
    for number, name in row:
        if number >= 0:
            yield element(
                "path", d=f"M{x:.1f},{y - 4:.1f}h11", kind=_kind(number), stroke=_colour(number), stroke_width=3
            )
        yield words(x + _MARK if number >= 0 else x, y, name, "faint")
        x += _width([(number, name)])
