"""The panel of a table: as many rows as have room."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import accumulate
from typing import Any

from pictures.series import Json
from pictures.svg import LETTER, Box, cut, straight, words
from pictures.values import said

_ROW = 20


def table(panel: Json, rows: Sequence[Json], box: Box) -> Iterator[str]:
    """A heading and the rows, each column as wide as its longest text asks for."""
    names = list(rows[0])
    cells = [[_text(panel, name, row[name]) for name in names] for row in rows[: int(box.height / _ROW) - 1]]
    lefts = _lefts(box, [max(len(text) for text in column) for column in zip(names, *cells, strict=True)])
    for number, texts in enumerate((names, *cells)):
        foot = box.y + _ROW * number + 12
        for text, left, right in zip(texts, lefts, [*lefts[1:], box.right], strict=True):
            kind = _colour(panel, text) if number else "faint"
            yield words(left, foot, cut(text, right - left - 8), kind)
        yield straight(box.x + 6, foot + 5, box.right - 6, foot + 5, "grid")


def _lefts(box: Box, lengths: Sequence[int]) -> list[float]:
    """The left edges of columns that share the width by their lengths."""
    wanted = [LETTER * length + 16 for length in lengths]
    scale = (box.width - 16) / sum(wanted)
    return [box.x + 8 + scale * before for before in accumulate(wanted[:-1], initial=0.0)]


def _text(panel: Json, name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%m-%d %H:%M:%S}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return said(float(value), _units(panel).get(name, "short"))
    return str(value)


def _units(panel: Json) -> dict[str, str]:
    overrides = panel["fieldConfig"]["overrides"]
    return {
        one["matcher"]["options"]: one["properties"][0]["value"]
        for one in overrides
        if one["matcher"]["id"] == "byName"
    }


def _colour(panel: Json, text: str) -> str:
    """The colour that a text has by itself."""
    for one in panel["fieldConfig"]["overrides"]:
        if one["matcher"]["id"] == "byType":
            colours: Json = one["properties"][0]["value"][0]["options"]
            return str(colours.get(text, {}).get("color", ""))
    return ""
