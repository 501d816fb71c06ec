"""Durations and memory sizes: seconds and bytes in Python, strings such as 2m30s and 512Mi in YAML."""

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from prunella_workflows.model.quantity import format_bytes, parse_bytes

_DURATION = re.compile(r"^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?\Z")


def parse_duration(text: str | float) -> float:
    """Parse a duration such as "90s", "2m30s" or "7d" into seconds.

    Raises:
        ValueError: the text is not a duration.
    """
    if isinstance(text, int | float):
        return float(text)
    match = _DURATION.match(text)
    if not text or match is None:
        msg = f"{text!r} is not a duration such as 90s, 2m30s or 7d"
        raise ValueError(msg)
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def format_duration(seconds: float) -> str:
    """Format seconds as a duration: 150 -> "2m30s". A negative value, from clocks that disagree, is "0s"."""
    rest, text = max(0, int(seconds)), ""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        number, rest = divmod(rest, size)
        text += f"{number}{unit}" if number else ""
    return text or "0s"


Duration = Annotated[float, BeforeValidator(parse_duration), PlainSerializer(format_duration, when_used="json")]

Memory = Annotated[
    int,
    BeforeValidator(lambda value: parse_bytes(value) if isinstance(value, str) else value),
    PlainSerializer(format_bytes, when_used="json"),
]
