"""What a ticket system must be able to do. Each step may be repeated, by a retry or after a crash, and counts once."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from prunella_workflows.contracts.notifications import Link, Message
from prunella_workflows.model.incident_status import TicketRef


@dataclass(frozen=True)
class Entry:
    """What is written into a ticket: `key` names it for ever, so that it is written once."""

    key: str
    message: Message
    links: tuple[Link, ...] = ()


class TicketSystem(Protocol):
    """One project or repository of a ticket system, reached with its own credentials.

    Every method raises AuthenticationError, InvalidInputError or Unavailable; none of them names a credential.
    """

    kind: str

    def find(self, thread: str, since: datetime) -> TicketRef | None:
        """The ticket about `thread`, if there is one that was opened since then."""

    def create(self, thread: str, entry: Entry) -> TicketRef:
        """A new ticket that `find` will find."""

    def comment(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Add to the ticket, unless this entry is in it already."""

    def close(self, thread: str, ref: TicketRef, entry: Entry) -> None:
        """Close the ticket, which stays closed when it is; `entry` says why."""
