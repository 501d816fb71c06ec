"""The exact counts of what was generated, for comparison with what a pipeline has stored."""

from collections import Counter
from dataclasses import dataclass, field, fields


@dataclass
class Totals:
    """Counts of items, and of what they say. Requests are server spans; a call is one only with both of its spans."""

    traces: int = 0
    spans: int = 0
    points: int = 0
    logs: int = 0
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By service and operation."""
    errors: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Requests that failed, likewise."""
    own_errors: Counter[str] = field(default_factory=Counter)
    """By service: requests that failed without a failed call."""
    edges: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By caller and callee."""
    severities: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Log records by service and severity."""

    @property
    def items(self) -> int:
        """Spans, points and log records."""
        return self.spans + self.points + self.logs

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})
