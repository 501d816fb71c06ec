"""Notifications: messages, channels, tickets, and the typed stubs of the activities that deliver them.

A channel or ticket system is named `NAMESPACE/SECRET`: the Secret that holds its address, which never comes here.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from enum import StrEnum

from temporalio import activity

from prunella_workflows.contracts.options import EXTERNAL, Options
from prunella_workflows.model.base import Value
from prunella_workflows.model.incident import IncidentRef, Severity
from prunella_workflows.model.incident_status import Delivery, EvidenceNote, TicketRef, WorkflowLink


class Link(Value):
    """A page or a command that helps a person. `target` is an http(s) address or a command line."""

    label: str
    target: str


class Message(Value):
    """Everything a person must know to take over. The renderer escapes it and adds the pages of workflow and trace.

    `thread` groups all messages about one thing: the uid of the incident, or the fingerprint of an alert that has none.
    `changed` and `proposed` are diffs: what is applied, and what waits for approval; `proposal` is that one's id.
    `also` is one line for each other thing that goes out with it.
    """

    thread: str
    severity: Severity = Severity.HIGH
    title: str
    where: str = ""
    what: str
    cause: str = ""
    evidence: tuple[EvidenceNote, ...] = ()
    tried: tuple[str, ...] = ()
    changed: str = ""
    proposed: str = ""
    proposal: str = ""
    next_step: str = ""
    also: tuple[str, ...] = ()
    incident: IncidentRef | None = None
    workflow: WorkflowLink | None = None
    trace_id: str = ""
    links: tuple[Link, ...] = ()


class NotifyRequest(Value):
    """Send one message to one channel. `key` identifies this message: a retry sends it under the same key."""

    channel: str
    message: Message
    key: str


class TicketStep(StrEnum):
    """A step on a ticket."""

    OPEN = "Open"
    UPDATE = "Update"
    CLOSE = "Close"


class TicketRequest(Value):
    """Open the one ticket of an incident or alert, comment on it, or close it.

    `thread` finds it again, unless it is older than `since`; `key` keeps a retry from writing a comment twice.
    """

    system: str
    step: TicketStep
    thread: str
    key: str
    since: datetime
    message: Message
    ref: TicketRef | None = None


HEARTBEAT_TIMEOUT_SECONDS = 20.0
"""Seconds without a heartbeat after which a delivery is retried: people wait for it."""

NOTIFICATION_OPTIONS: dict[str, Options] = {"notify": Options(60, EXTERNAL), "ticket": Options(120, EXTERNAL)}


class NoticeActivities(ABC):
    """The activities that reach people. Their errors never contain an address, a token or a service's raw answer.

    Raises:
        AuthenticationError: the service refuses our credentials.
        Forbidden: we may not read the Secret.
        InvalidInputError: the Secret is missing or invalid, or the service refuses the request.
        Unavailable: the service did not answer, or asked to wait.
    """

    @abstractmethod
    @activity.defn(name="notify")
    def notify(self, request: NotifyRequest) -> Delivery:
        """Send one message; Delivered or Summarised."""

    @abstractmethod
    @activity.defn(name="ticket")
    def ticket(self, request: TicketRequest) -> TicketRef:
        """Open, update or close the one ticket of `request.thread`, however often it is repeated."""
