"""The labels and markers by which our own tickets and comments are found again."""

import hashlib
import re

_SAFE = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


def ticket_label(thread: str) -> str:
    """The label of a ticket, of letters, digits and dashes, whatever the thread is called."""
    return f"prunella-{thread if _SAFE.match(thread) else hashlib.sha256(thread.encode()).hexdigest()[:32]}"


def comment_marker(key: str) -> str:
    """The marker of one entry."""
    return f"prunella-note-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
