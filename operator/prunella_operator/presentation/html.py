"""Templates and styles: of the console's pages, and of the report's, which is one file with everything in it."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prunella_operator.presentation.terminal import percent, seconds

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


def templates() -> Environment:
    """The templates: what is put into them is escaped, and a name that is missing is an error."""
    made = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"seconds": seconds, "percent": percent}
    return made
