"""A whole dashboard as one picture: each panel at its place of the grid."""

from collections.abc import Iterator, Mapping
from time import gmtime, strftime

from pictures.answers import Source, filled, lines, rows_of
from pictures.course import course
from pictures.numbers import bars, tiles
from pictures.series import Json, Line, Window
from pictures.svg import STYLE, Box, cut, element, rectangle, words, wrapped
from pictures.table import table

WIDTH = 1200
_COLUMNS, _ROW, _GAP, _HEAD = 24, 30, 4, 62
_HONEST = "Drawn from the dashboard's JSON and from real answers to its queries; not a screenshot of Grafana."


def picture(board: Json, source: Source, window: Window, chosen: Mapping[str, str]) -> str:
    """The dashboard as SVG.

    Raises:
        UnansweredError: a query was refused, or a variable has no value.
        ValueError: a panel is of a kind or has a unit that is not known here.
    """
    height = _HEAD + _ROW * max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board["panels"]) + 8
    parts = [
        element("title", f"{board['title']}, {_span(window)}"),
        element("style", STYLE),
        rectangle(Box(0, 0, WIDTH, height), "ground"),
        words(12, 26, board["title"], "head"),
        words(WIDTH - 12, 26, _span(window), "faint", "end"),
        words(12, 48, f"{board['description']} {_HONEST}", "faint"),
        *(part for panel in board["panels"] for part in _panel(panel, source, window, chosen)),
    ]
    sized = {"xmlns": "http://www.w3.org/2000/svg", "viewBox": f"0 0 {WIDTH} {height}", "role": "img"}
    return element("svg", "\n".join(parts), **sized) + "\n"


def _span(window: Window) -> str:
    begin, end = gmtime(window.start), gmtime(window.end)
    return f"{strftime('%Y-%m-%d %H:%M', begin)} to {strftime('%H:%M', end)} UTC"


def _place(panel: Json) -> Box:
    at, column = panel["gridPos"], WIDTH / _COLUMNS
    whole = Box(at["x"] * column, _HEAD + at["y"] * _ROW, at["w"] * column, at["h"] * _ROW)
    return whole.less(_GAP, _GAP, _GAP, _GAP)


def _panel(panel: Json, source: Source, window: Window, chosen: Mapping[str, str]) -> Iterator[str]:
    box = _place(panel)
    if panel["type"] == "row":
        yield words(box.x + 4, box.bottom - 4, panel["title"], "row")
        return
    yield rectangle(box, "panel", rx=4)
    yield words(box.x + 8, box.y + 18, cut(panel["title"], box.width - 16), "title")
    inside = box.less(left=2, top=26, right=2, bottom=4)
    if panel["type"] == "text":
        yield from _text(filled(panel["options"]["content"], window, chosen), inside)
        return
    if panel["type"] == "table":
        rows = rows_of(panel, source, window, chosen)
        yield from table(panel, rows, inside) if rows else _nothing(inside)
        return
    found = lines(panel, source, window, chosen)
    yield from _drawn(panel, found, inside, window) if found else _nothing(inside)


def _drawn(panel: Json, found: list[Line], inside: Box, window: Window) -> Iterator[str]:
    match panel["type"]:
        case "timeseries":
            return course(panel, found, inside, window)
        case "stat":
            return tiles(panel, found, inside, window)
        case "bargauge":
            return bars(panel, found, inside)
    raise ValueError(f"no panel of the kind {panel['type']} is known here")


def _text(content: str, box: Box) -> Iterator[str]:
    rows = [line for part in content.replace("`", "").split("\n\n") for line in wrapped(part, box.width - 20)]
    for number, line in enumerate(rows):
        yield words(box.x + 8, box.y + 12 + 16 * number, line)


def _nothing(box: Box) -> Iterator[str]:
    yield words(box.x + box.width / 2, box.y + box.height / 2, "No data", "faint", "middle")
