"""The port of ticket systems. Each step may be repeated, by a retry or after a crash, and takes effect once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prunella_workflows.contracts.notifications import Link, Message
from prunella_workflows.model.incident_status import TicketRef


@dataclass(frozen=True)
class Entry:
    """One entry of a ticket: `key` identifies it permanently, so that it is written once."""

    key: str
    message: Message
    links: tuple[Link, ...] = ()


class TicketSystem(Protocol):
    """One project or repository. Raises AuthenticationError, InvalidInputError or Unavailable, without credentials."""

    kind: str

    def find(self, thread: str, since: datetime) -> TicketRef | None:
        """Find the ticket about `thread` that was opened since then, if any."""

    def create(self, thread: str, entry: Entry) -> TicketRef:
        """Create a ticket that `find` will find."""

    def comment(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Add a comment, unless this entry is in the ticket already."""

    def close(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Close the ticket unless it is closed; `entry` has the reason."""
