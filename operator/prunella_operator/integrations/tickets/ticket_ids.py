"""The marks by which we find our own tickets and comments again."""

import hashlib
import re

_SAFE = re.compile(r"[A-Za-z0-9-]{1,64}\Z")


def ticket_label(thread: str) -> str:
    """The mark of a ticket: a word of letters, digits and dashes, whatever the thread is called."""
    return f"prunella-{thread if _SAFE.match(thread) else hashlib.sha256(thread.encode()).hexdigest()[:32]}"


def comment_marker(key: str) -> str:
    """The mark of one entry."""
    return f"prunella-note-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
