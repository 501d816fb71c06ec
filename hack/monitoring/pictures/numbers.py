"""The panels of single numbers: tiles with a little graph, and bars beside each other."""

from collections.abc import Iterator, Sequence

from pictures.series import Json, Line, Window
from pictures.svg import LETTER, Box, cut, path, rectangle, words
from pictures.values import said

_BAR = 32
_LARGEST = 30


def tiles(panel: Json, lines: Sequence[Line], box: Box, window: Window) -> Iterator[str]:
    """The newest value of each series, side by side, above its course."""
    width = box.width / len(lines)
    for number, line in enumerate(lines):
        yield from _tile(panel, line, Box(box.x + number * width, box.y, width, box.height).less(4, 0, 4, 2), window)


def _tile(panel: Json, line: Line, box: Box, window: Window) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    text, colour = _said(line.last, defaults), _colour(line.last, defaults)
    with_graph = panel["options"]["graphMode"] == "area"
    if with_graph:
        yield _graph(line, box.less(top=0.65 * box.height), window, colour)
    size = int(min(_LARGEST, 0.34 * box.height, box.width / (0.62 * len(text))))
    foot = box.bottom - (0.35 if with_graph else 0.25) * box.height - 6
    yield words(box.x + box.width / 2, foot, text, colour, "middle", size=size)
    if line.name:
        yield words(box.x + box.width / 2, box.y + 12, cut(line.name, box.width), "faint", "middle")


def _graph(line: Line, box: Box, window: Window, colour: str) -> str:
    """The course of a number, from 0 to its highest."""
    highest = max(value for _, value in line.points) or 1
    points = [
        (box.x + box.width * (when - window.start) / window.length, box.bottom - box.height * value / highest)
        for when, value in line.points
    ]
    ends = [(points[-1][0], box.bottom), (points[0][0], box.bottom)]
    return path([*points, *ends], f"under {colour}", closed=True)


def bars(panel: Json, lines: Sequence[Line], box: Box) -> Iterator[str]:
    """One bar for each series, as long as its value is of the largest one."""
    defaults = panel["fieldConfig"]["defaults"]
    largest = defaults.get("max") or max(line.last for line in lines)
    height = min(_BAR, box.height / len(lines))
    left = min(0.55 * box.width, LETTER * max(len(line.name) for line in lines) + 12)
    for number, line in enumerate(lines):
        row = Box(box.x + 6, box.y + 4 + number * height, box.width - 12, height - 5)
        track, foot = row.less(left=left, right=46), row.bottom - row.height / 2 + 4
        yield words(row.x, foot, cut(line.name, left), "faint")
        yield rectangle(track, "empty")
        filled = Box(track.x, track.y, track.width * line.last / largest, track.height)
        yield rectangle(filled, _colour(line.last, defaults))
        yield words(row.right, foot, _said(line.last, defaults), anchor="end")


def _colour(value: float, defaults: Json) -> str:
    """The colour of the last threshold that the value has reached."""
    base, *steps = defaults["thresholds"]["steps"]
    return str(next((step["color"] for step in reversed(steps) if value >= step["value"]), base["color"]))


def _said(value: float, defaults: Json) -> str:
    for mapping in defaults.get("mappings", ()):
        if found := mapping["options"].get(f"{value:g}"):
            return str(found["text"])
    return said(value, defaults["unit"], defaults.get("decimals"))
