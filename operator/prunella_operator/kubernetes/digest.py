"""The hash of a JSON value, by which statements about writes name what they do not hold."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """The same bytes for the same JSON value: sorted keys, no blanks, ASCII."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def digest(value: Any) -> str:
    """The SHA-256 of a JSON value, in hexadecimal digits."""
    return hashlib.sha256(canonical(value)).hexdigest()
