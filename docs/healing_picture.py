"""Draws the terminal of `make demo` as the README shows it: `python docs/healing_picture.py` writes its picture."""  # noqa: INP001 - a script

import io
import re
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "getting-started.md"
PICTURE = ROOT / "docs" / "images" / "healing.svg"
_WIDTH = 118
_COLOURS = {
    r"Healed( \(not proven\))?": "bold green",
    r"Confirming|Verifying|Pending": "yellow",
    r"pod_oom_killed|bad_release": "bold magenta",
    r"SetMemory|RestoreTemplate": "cyan",
    r"^\d\d:\d\d:\d\d": "dim",
    r"^ \d\. .*": "dim",
}
_WITHOUT_FETCHED_FONTS = re.sub(r"@font-face {{.*?}}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def draw(page: str) -> str:
    """Draw what the page says that the demo prints, but for the preparation and the addresses."""
    console = Console(record=True, width=_WIDTH, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    for line in _printed(page):
        text = Text(line)
        for pattern, style in _COLOURS.items():
            text.highlight_regex(pattern, style)
        console.print(text)
    return console.export_svg(title="make demo", code_format=_WITHOUT_FETCHED_FONTS, unique_id="healing")


def _printed(page: str) -> list[str]:
    """The lines of the first block that begins like the demo. A step is printed when it begins and when it is done."""
    block = page.partition("```text\n 1. ")[2].partition("```")[0].splitlines()
    wanted = [line for line in block if not re.search(r" \.\.\.$|: http|Clean up", line)]
    lines = [re.sub(r" \([^)]*log: [^)]*\)", "", line) for line in wanted]
    return ["$ make demo", *lines]


def main() -> int:
    """Write the picture."""
    PICTURE.write_text(draw(PAGE.read_text()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
