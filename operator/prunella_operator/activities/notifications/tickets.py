"""Ticket: keep the one ticket of an incident, whatever is repeated."""

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


_REMEMBERED = 1000  # tickets


class Ticketer:
    """Opens, updates and closes tickets. One for the process, because an alert and its incident share a ticket: the
    one waits for the other, and knows what it made even before a search finds it.
    """

    def __init__(self, api: Api, links: Links) -> None:
        self._api = api
        self._links = links
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._made: dict[tuple[str, str], TicketRef] = {}

    def ticket(self, request: TicketRequest) -> TicketRef:
        """Take one step on the ticket of `request.thread`.

        Raises:
            AuthenticationError, Forbidden, InvalidInputError, Unavailable: it could not be taken.
        """
        kind = "unknown"
        try:
            system = ticket_system(request.system, read_secret(self._api, request.system, TICKETS))
            kind = system.kind
            with tracing.Call(
                f"ticket {kind}", {"prunella.system": request.system, "prunella.step": request.step.value}
            ):
                ref = self._step(system, request)
        except PrunellaError as error:
            metrics.TICKETS.labels(kind, request.step.value, error.reason).inc()
            _log.warning("a ticket is not kept", system=request.system, step=request.step.value, error=str(error))
            raise
        metrics.TICKETS.labels(kind, request.step.value, "Done").inc()
        return ref

    def _step(self, system: TicketSystem, request: TicketRequest) -> TicketRef:
        entry = Entry(request.key, request.message, self._links(request.message))
        ref = request.ref or self._found_or_made(system, request, entry)
        if request.step is TicketStep.UPDATE:
            system.comment(request.thread, ref, entry)
        elif request.step is TicketStep.CLOSE:
            system.close(request.thread, ref, entry)
        return ref

    def _found_or_made(self, system: TicketSystem, request: TicketRequest, entry: Entry) -> TicketRef:
        about = (request.system, request.thread)
        with self._locks[about]:
            ref = self._made.get(about) or system.find(request.thread, request.since)
            if ref is None:
                ref = system.create(request.thread, entry)
            self._made[about] = ref
            if len(self._made) > _REMEMBERED:
                oldest = next(iter(self._made))
                del self._made[oldest]
                self._locks.pop(oldest, None)
        return ref
