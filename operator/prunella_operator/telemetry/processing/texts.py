"""Texts of telemetry made fit to be stored and counted: cut, redacted, and masked of ids."""

import re
from functools import lru_cache

from prunella_workflows.model.redaction import redact

PATTERN_LENGTH = 200
SAMPLE_LENGTH = 500
WITH_DIGIT = r"""[^\s=:,;/?&()\[\]{}<>"'|.]*[0-9][^\s=:,;/?&()\[\]{}<>"'|.]*"""
"""A word with a digit: most likely an id, a number, or a part of a time or address."""
MASK = "#"

_WORD = re.compile(WITH_DIGIT)
_HEX = re.compile(r"[0-9a-fA-F-]{8,}")
_MOST_DIGITS = 2


def clean(text: str, length: int) -> str:
    """Cut a text, and remove NUL, which PostgreSQL's text cannot hold."""
    return text[:length].replace("\0", "")


@lru_cache(maxsize=65536)
def mask_name(name: str) -> str:
    """The name of an operation without its ids: `GET /v1/users/17` is `GET /v1/users/#`."""
    return redact(_WORD.sub(_mask_id, clean(name, PATTERN_LENGTH)))


@lru_cache(maxsize=16384)
def mask_pattern(text: str) -> str:
    """The pattern of a log record's text, which has its words with digits masked already."""
    return redact(clean(text, PATTERN_LENGTH))


def sample(text: str) -> str:
    """A log record's text as it may be stored."""
    return redact(clean(text, SAMPLE_LENGTH))


def _mask_id(found: re.Match[str]) -> str:
    word = found[0]
    ids = word.isdigit() or _HEX.fullmatch(word) or sum(map(str.isdigit, word)) > _MOST_DIGITS
    return MASK if ids else word
