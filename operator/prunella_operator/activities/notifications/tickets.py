"""Ticket: keep exactly one ticket for an incident, however often a step is retried."""

import threading
from collections import defaultdict

import structlog

from prunella_operator.activities.notifications.channels import Links
from prunella_operator.integrations.tickets.factory import ticket_system
from prunella_operator.integrations.tickets.port import Entry, TicketSystem
from prunella_operator.kubernetes.api import Api
from prunella_operator.kubernetes.secrets import read_secret
from prunella_operator.observability import metrics, tracing
from prunella_workflows.contracts.notifications import TicketRequest, TicketStep
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.incident_status import TicketRef
from prunella_workflows.model.labels import TICKETS

_log = structlog.get_logger("prunella.tickets")
_MAX_REMEMBERED_TICKETS = 1000


class Ticketer:
    """Opens, updates and closes tickets. One for the process: an alert and its incident share a ticket.

    Each waits for the other, and knows the ticket that it created even before a search finds it.
    """

    def __init__(self, api: Api, links: Links) -> None:
        self._api = api
        self._links = links
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._tickets: dict[tuple[str, str], TicketRef] = {}

    def ticket(self, request: TicketRequest) -> TicketRef:
        """Take a step on the thread's ticket. Raises AuthenticationError, Forbidden, InvalidInputError, Unavailable."""
        kind, step = "unknown", request.step.value
        try:
            system = ticket_system(request.system, read_secret(self._api, request.system, TICKETS))
            kind = system.kind
            with tracing.Call(f"ticket {kind}", {"prunella.system": request.system, "prunella.step": step}):
                ref = self._step(system, request)
        except PrunellaError as error:
            metrics.TICKETS.labels(kind, step, error.reason).inc()
            _log.warning("cannot update ticket", system=request.system, step=step, error=str(error))
            raise
        metrics.TICKETS.labels(kind, step, "Done").inc()
        return ref

    def _step(self, system: TicketSystem, request: TicketRequest) -> TicketRef:
        entry = Entry(request.key, request.message, self._links(request.message))
        ref = request.ref or self._find_or_create(system, request, entry)
        if request.step is TicketStep.UPDATE:
            system.comment(request.thread, ref, entry)
        elif request.step is TicketStep.CLOSE:
            system.close(request.thread, ref, entry)
        return ref

    def _find_or_create(self, system: TicketSystem, request: TicketRequest, entry: Entry) -> TicketRef:
        about = (request.system, request.thread)
        with self._locks[about]:
            ref = self._tickets.get(about) or system.find(request.thread, request.since)
            if ref is None:
                ref = system.create(request.thread, entry)
            self._tickets[about] = ref
            if len(self._tickets) > _MAX_REMEMBERED_TICKETS:
                oldest = next(iter(self._tickets))
                del self._tickets[oldest]
                self._locks.pop(oldest, None)
        return ref
