"""Draws a trace from a file of the OpenTelemetry Collector: `python docs/trace_picture.py traces.json > trace.svg`."""  # noqa: INP001 - a script

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

WIDTH, LEFT, ROW, TOP = 1000, 400, 18, 34
RIGHT = 90  # for the words behind the last bar
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1d1b22; } .faint { fill: #5f5b69; } line { stroke: #dcd9e4; }
.ground { fill: #ffffff; } .incident { fill: #6a3fa8; } .workflow { fill: #0b5cad; } .activity { fill: #1d7a3d; }
.kubernetes { fill: #8d889a; } .failed { fill: #b3261e; }
@media (prefers-color-scheme: dark) {
  text { fill: #ece9f3; } .faint { fill: #a8a2b6; } line { stroke: #383343; }
  .ground { fill: #16141b; } .incident { fill: #c3a2f2; } .workflow { fill: #8ec3fb; } .activity { fill: #7fd89a; }
  .failed { fill: #ff9a92; }
}
"""


@dataclass(frozen=True)
class Span:
    """A span; times are in milliseconds from the beginning of its trace."""

    name: str
    ident: str
    parent: str
    begin: float
    end: float
    failed: bool
    detail: str


def read(path: Path) -> list[Span]:
    """The spans of a file, by their beginnings."""
    raw = [
        span
        for line in path.read_text().splitlines()
        for resource in json.loads(line)["resourceSpans"]
        for scope in resource["scopeSpans"]
        for span in scope["spans"]
    ]
    first = min(int(span["startTimeUnixNano"]) for span in raw)
    return sorted((_span(one, first) for one in raw), key=lambda span: span.begin)


def _span(raw: dict, first: int) -> Span:
    facts = {attribute["key"]: next(iter(attribute["value"].values())) for attribute in raw.get("attributes", ())}
    begin, end = (1e-6 * (int(raw[name]) - first) for name in ("startTimeUnixNano", "endTimeUnixNano"))
    failed = raw.get("status", {}).get("code") == 2  # noqa: PLR2004 - OTLP's number of an error
    path = str(facts.get("url.path", "")).partition("/namespaces/")[2]
    detail = path.partition("/")[2] or str(facts.get("prunella.phase", ""))
    return Span(raw["name"], raw["spanId"], raw.get("parentSpanId", ""), begin, end, failed, detail)


def in_order(spans: list[Span], parent: str = "", depth: int = 0) -> Iterator[tuple[int, Span]]:
    """Each span below its parent, with its depth."""
    for span in spans:
        if span.parent == parent:
            yield depth, span
            yield from in_order(spans, span.ident, depth + 1)


def picture(spans: list[Span]) -> str:
    """The trace as SVG: a line for each span, its bar at its time."""
    rows = list(in_order(spans))
    length = max(span.end for span in spans)
    height = TOP + ROW * len(rows) + 8
    scale = (WIDTH - LEFT - RIGHT) / length
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>The trace of a healing: {len(rows)} spans in {length / 1000:.1f} seconds</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{WIDTH}" height="{height}" />',
        *_axis(length, scale, height),
        *(part for number, (depth, span) in enumerate(rows) for part in _row(number, depth, span, scale)),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _axis(length: float, scale: float, height: int) -> Iterator[str]:
    """A line every half second."""
    for half in range(int(length // 500) + 1):
        x = LEFT + 500 * half * scale
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{height}" />'
        yield f'<text class="faint" x="{x:.1f}" y="18" text-anchor="middle">{half / 2:g} s</text>'


def _row(number: int, depth: int, span: Span, scale: float) -> Iterator[str]:
    y = TOP + ROW * number
    left, width = LEFT + span.begin * scale, max(1.5, (span.end - span.begin) * scale)
    kind = "failed" if span.failed else span.name.partition(":")[0].partition(" ")[0]
    detail = f' <tspan class="faint">{escape(span.detail)}</tspan>' if span.detail else ""
    yield f'<text x="{10 + 16 * depth}" y="{y + 13}">{escape(span.name)}{detail}</text>'
    yield f'<rect class="{kind}" x="{left:.1f}" y="{y + 3}" width="{width:.1f}" height="12" rx="2" />'
    yield f'<text class="faint" x="{left + width + 5:.1f}" y="{y + 13}">{span.end - span.begin:.0f} ms</text>'


if __name__ == "__main__":
    sys.stdout.write(picture(read(Path(sys.argv[1]))))
