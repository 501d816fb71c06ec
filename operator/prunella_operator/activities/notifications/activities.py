"""The activities that notify people and file tickets."""

from functools import partial

from temporalio import activity

from prunella_operator.activities.heartbeat import heartbeating
from prunella_operator.activities.notifications.channels import Messenger
from prunella_operator.activities.notifications.tickets import Ticketer
from prunella_operator.config.settings import Settings
from prunella_operator.integrations.answer_links import create_answer_links
from prunella_operator.integrations.links import message_links
from prunella_operator.integrations.notifiers.apprise_notifier import AppriseNotifier
from prunella_operator.kubernetes.api import Api
from prunella_workflows.contracts.notifications import NoticeActivities, NotifyRequest, TicketRequest
from prunella_workflows.model.incident_status import Delivery, TicketRef
from prunella_workflows.temporal.failures import translate_errors


class Notices(NoticeActivities):
    """Over a real cluster's Secrets and real services. Synchronous: they run in the worker's thread pool.

    Raises:
        InvalidInputError: link_key_file is set, and links cannot be made.
    """

    def __init__(self, api: Api, settings: Settings) -> None:
        links = partial(message_links, settings, answers=create_answer_links(settings))
        self._messenger = Messenger(api, AppriseNotifier(), links)
        self._ticketer = Ticketer(api, links)

    @activity.defn(name="notify", no_thread_cancel_exception=True)
    def notify(self, request: NotifyRequest) -> Delivery:
        """See the contract. Never interrupted between request and result."""
        with translate_errors(), heartbeating():
            return self._messenger.notify(request)

    @activity.defn(name="ticket", no_thread_cancel_exception=True)
    def ticket(self, request: TicketRequest) -> TicketRef:
        """See the contract. Never interrupted between request and result."""
        with translate_errors(), heartbeating():
            return self._ticketer.ticket(request)
