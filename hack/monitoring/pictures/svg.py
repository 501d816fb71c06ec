"""The few elements of SVG that the pictures are made of, and how they look, in light and in dark."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

Facts = dict[str, Any]

LETTER = 6.4
"""Average width of a letter of the usual size, in pixels; rather too much than too little."""
STYLE = """
text { font: 11px system-ui, "DejaVu Sans", sans-serif; fill: #1d1b22; } .faint { fill: #5f5b69; }
.title { font-weight: 600; } .head { font-size: 18px; font-weight: 600; } .row { font-size: 14px; font-weight: 600; }
.ground { fill: #ffffff; } .panel { fill: #faf9fc; stroke: #dcd9e4; }
.grid { stroke: #e6e3ed; } .empty { fill: #e6e3ed; }
text.green { fill: #1d7a3d; } text.yellow { fill: #8a6100; } text.red { fill: #b3261e; } text.blue { fill: #0b5cad; }
rect.green, path.green { fill: #2e9e57; } rect.yellow, path.yellow { fill: #d9a013; }
rect.red, path.red { fill: #d23f35; }
.target { stroke-dasharray: 6 4; stroke-width: 1.5; stroke: #d23f35; } .target.green { stroke: #2e9e57; }
.line { fill: none; stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.area { stroke: none; opacity: .45; } .under { stroke: none; opacity: .22; } .second { stroke-dasharray: 5 3; }
@media (prefers-color-scheme: dark) {
  text { fill: #ece9f3; } .faint { fill: #a8a2b6; }
  .ground { fill: #16141b; } .panel { fill: #1d1a24; stroke: #383343; } .grid { stroke: #2e2a38; }
  .empty { fill: #2e2a38; }
  text.green { fill: #7fd89a; } text.yellow { fill: #f0c75e; } text.red { fill: #ff9a92; }
  text.blue { fill: #8ec3fb; }
}
"""
COLOURS = (
    "#7a54c7", "#1f9d57", "#dd8a1c", "#2f7fd0", "#d6455d", "#12a0a8", "#b56bc2", "#8a941b", "#bb6238", "#6b7a90",
)  # fmt: skip
"""Colours of lines, in order; each can be seen on white and on black."""


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels from the upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """The right edge."""
        return self.x + self.width

    @property
    def bottom(self) -> float:
        """The lower edge."""
        return self.y + self.height

    def less(self, left: float = 0, top: float = 0, right: float = 0, bottom: float = 0) -> "Box":
        """The rest of it inside these margins."""
        return Box(self.x + left, self.y + top, self.width - left - right, self.height - top - bottom)


def element(name: str, content: str = "", **attributes: Any) -> str:
    """One element; `kind` is its class, and `_` in a name stands for `-`."""
    said = "".join(
        f' {"class" if key == "kind" else key.replace("_", "-")}="{_short(value)}"' for key, value in attributes.items()
    )
    return f"<{name}{said}>{content}</{name}>" if content else f"<{name}{said} />"


def _short(value: object) -> str:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else escape(str(value))


def words(x: float, y: float, text: str, kind: str = "", anchor: str = "start", *, size: int = 0) -> str:
    """One line of text, whose foot is at `y`; `size` in pixels, if it is not the usual one."""
    more: Facts = {"kind": kind} if kind else {}
    if anchor != "start":
        more["text_anchor"] = anchor
    if size:
        more["style"] = f"font-size: {size}px"
    return element("text", escape(text, quote=False), x=x, y=y, **more)


def rectangle(box: Box, kind: str, **more: Any) -> str:
    """A filled rectangle."""
    return element("rect", x=box.x, y=box.y, width=max(0.0, box.width), height=box.height, kind=kind, **more)


def straight(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, kind=kind)


def path(points: list[tuple[float, float]], kind: str, closed: bool = False, **more: Any) -> str:
    """A line through points; a single one is a dot."""
    through = points if len(points) > 1 else [*points, (points[0][0] + 0.1, points[0][1])]
    way = "L".join(f"{_short(x)},{_short(y)}" for x, y in through)
    return element("path", d=f"M{way}{'Z' if closed else ''}", kind=kind, **more)


def cut(text: str, width: float) -> str:
    """As much of a text as has room, in pixels."""
    room = max(1, int(width / LETTER))
    return text if len(text) <= room else f"{text[: room - 1]}…"


def wrapped(text: str, width: float) -> Iterator[str]:
    """The lines of a text that have room, in pixels."""
    line = ""
    for word in text.split():
        if line and (len(line) + 1 + len(word)) * LETTER > width:
            yield line
            line = word
        else:
            line = f"{line} {word}".strip()
    yield line
