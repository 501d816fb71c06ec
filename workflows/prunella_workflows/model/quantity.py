"""Kubernetes quantities ("64Mi", "500m", "1e3") to whole numbers and back.

Grammar: k8s.io/apimachinery/pkg/api/resource, Quantity. Sub-byte fractions round up, as the scheduler does.
"""

import math
import re
from decimal import Decimal

_QUANTITY = re.compile(r"^([+-]?(?:\d+\.?\d*|\.\d+))(Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?\d{1,3}|n|u|m|k|M|G|T|P|E|)$")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}


def parse_quantity(text: str) -> Decimal:
    """Parse a quantity into its base unit (bytes, cores).

    Raises:
        ValueError: the text is not a quantity.
    """
    match = _QUANTITY.match(text.strip())
    if match is None:
        msg = f"{text!r} is not a Kubernetes quantity such as 64Mi, 1Gi or 500m"
        raise ValueError(msg)
    number, suffix = Decimal(match[1]), str(match[2])
    if suffix in _BINARY:
        return number * Decimal(2 ** _BINARY[suffix])
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return number * Decimal(10) ** exponent


def parse_bytes(text: str) -> int:
    """A memory quantity in bytes, rounded up to a whole byte."""
    return math.ceil(parse_quantity(text))


def format_bytes(number: int) -> str:
    """Bytes as the shortest exact binary quantity: 67108864 -> "64Mi"."""
    for suffix, power in sorted(_BINARY.items(), key=lambda pair: -pair[1]):
        if number and number % 2**power == 0:
            return f"{number // 2**power}{suffix}"
    return str(number)
