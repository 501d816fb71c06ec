"""Notify: send one message to one channel within its rate limit, and report the result."""

from collections.abc import Callable
from typing import assert_never

import structlog

from prunella_operator import clock
from prunella_operator.integrations.notifiers.limiter import AlreadySent, Limiter, Send, Wait
from prunella_operator.integrations.notifiers.port import Notifier
from prunella_operator.kubernetes.api import Api
from prunella_operator.kubernetes.secrets import read_secret, required
from prunella_operator.observability import metrics, tracing
from prunella_workflows.contracts.notifications import Link, Message, NotifyRequest
from prunella_workflows.model.errors import PrunellaError, Unavailable
from prunella_workflows.model.incident_status import Delivery, DeliveryResult
from prunella_workflows.model.labels import CHANNEL

_log = structlog.get_logger("prunella.notifications")
_MAX_SUMMARY_LINES = 20
Links = Callable[[Message], tuple[Link, ...]]


class Throttled(Unavailable):
    """The channel's rate limit is reached; the message is sent later."""


class Messenger:
    """Sends messages. One for the process, because it counts the messages to each channel."""

    def __init__(self, api: Api, notifier: Notifier, links: Links, limiter: Limiter | None = None) -> None:
        self._api = api
        self._notifier = notifier
        self._links = links
        self._limiter = limiter or Limiter()

    def notify(self, request: NotifyRequest) -> Delivery:
        """Send it now, or as a line of a summary, or raise to be retried when the channel accepts more.

        Raises AuthenticationError, Forbidden, InvalidInputError, Unavailable if it was not sent.
        """
        kind = "unknown"
        try:
            url = required(request.channel, read_secret(self._api, request.channel, CHANNEL), "url")
            kind = self._notifier.kind(url)
            result = self._deliver(request, url)
        except PrunellaError as error:
            metrics.NOTIFICATIONS.labels(kind, error.reason).inc()
            _log.warning("cannot send message", channel=request.channel, kind=kind, error=str(error))
            raise
        metrics.NOTIFICATIONS.labels(kind, result.value).inc()
        return Delivery(channel=request.channel, kind=kind, result=result, at=clock.now())

    def _deliver(self, request: NotifyRequest, url: str) -> DeliveryResult:
        answer = self._limiter.request(request.channel, request.key, request.message.title, clock.monotonic())
        match answer:
            case AlreadySent():
                return DeliveryResult.SUMMARISED if answer.in_summary else DeliveryResult.DELIVERED
            case Wait():
                raise Throttled("rate limit reached for this channel; message deferred", again=answer.seconds)
            case Send():
                return self._send(request, url, answer)
        assert_never(answer)

    def _send(self, request: NotifyRequest, url: str, send: Send) -> DeliveryResult:
        message = _add_titles(request.message, tuple(send.others.values()))
        try:
            with tracing.Call(f"notify {self._notifier.kind(url)}", {"prunella.channel": request.channel}):
                self._notifier.send(url, message, self._links(message))
        except PrunellaError:
            self._limiter.failed(request.channel, send)
            raise
        self._limiter.sent(request.channel, send)
        return DeliveryResult.DELIVERED


def _add_titles(message: Message, titles: tuple[str, ...]) -> Message:
    if not titles:
        return message
    more = (f"and {len(titles) - _MAX_SUMMARY_LINES} more",) if len(titles) > _MAX_SUMMARY_LINES else ()
    return message.model_copy(update={"also": (*message.also, *titles[:_MAX_SUMMARY_LINES], *more)})
