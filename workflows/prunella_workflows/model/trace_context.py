"""The parent of a span, as it is handed from process to process."""

import re
from dataclasses import dataclass

_SHAPE = re.compile(r"^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\Z")


@dataclass(frozen=True)
class TraceContext:
    """The parent of a span: trace and span ids as hexadecimal digits, and whether the trace is recorded."""

    trace_id: str
    span_id: str
    flags: str = "01"

    @classmethod
    def parse(cls, text: str) -> "TraceContext | None":
        """Parse a W3C traceparent; None when it is invalid (https://www.w3.org/TR/trace-context/)."""
        match = _SHAPE.match(text)
        if match is None or set(match[1]) == {"0"} or set(match[2]) == {"0"}:
            return None
        return cls(*match.groups())

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"
