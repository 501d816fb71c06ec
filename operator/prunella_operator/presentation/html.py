"""Jinja environment and styles, for the console's pages and the self-contained HTML report."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prunella_operator.presentation.terminal import percent, seconds

_HERE = Path(__file__).parent
STATIC = _HERE / "static"


def make_environment() -> Environment:
    """The templates. Values are escaped, and an undefined name is an error."""
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"seconds": seconds, "percent": percent}
    return environment
