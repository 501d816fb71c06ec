"""The activities that reach people, behind their contract."""

from functools import partial

from temporalio import activity

from prunella_operator.activities.beating import beating
from prunella_operator.activities.edge import edge
from prunella_operator.activities.notify import Messenger
from prunella_operator.activities.tickets import Ticketer
from prunella_operator.cluster.port import Api
from prunella_operator.links import links_of
from prunella_operator.notifiers.apprise_notifier import AppriseNotifier
from prunella_operator.settings import Settings
from prunella_workflows.model.incident import Delivery, TicketRef
from prunella_workflows.notices import NoticeActivities, NotifyRequest, TicketRequest


class Notices(NoticeActivities):
    """Over a real cluster's Secrets and real services. Synchronous: they run in the worker's thread pool."""

    def __init__(self, api: Api, settings: Settings) -> None:
        links = partial(links_of, settings)
        self._messenger = Messenger(api, AppriseNotifier(), links)
        self._ticketer = Ticketer(api, links)

    @activity.defn(name="notify", no_thread_cancel_exception=True)
    def notify(self, request: NotifyRequest) -> Delivery:
        """See the contract. Never interrupted between sending and answer."""
        with edge(), beating():
            return self._messenger.notify(request)

    @activity.defn(name="ticket", no_thread_cancel_exception=True)
    def ticket(self, request: TicketRequest) -> TicketRef:
        """See the contract. Never interrupted between sending and answer."""
        with edge(), beating():
            return self._ticketer.ticket(request)
