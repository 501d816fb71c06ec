"""Times in Kubernetes objects."""

from datetime import datetime


def parse_time(text: str | None) -> datetime | None:
    """Parse an RFC 3339 time set by the API server or a controller."""
    return datetime.fromisoformat(text) if text else None


def parse_annotation_time(text: object) -> datetime | None:
    """Parse a time from an annotation, which anyone may write: None if malformed or without a time zone."""
    try:
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def parse_annotation_seconds(text: object) -> float | None:
    """Parse whole seconds from an annotation, which anyone may write: None if malformed."""
    return float(text) if isinstance(text, str) and text.isascii() and text.isdigit() else None
