"""Messages over apprise, which knows the services; here is what it leaves open: errors, escapes, threads, silence.

Apprise answers yes or no and logs the rest, addresses included. So its log goes nowhere but to `_Verdicts`, which keeps
the status code and nothing else, and an exception of its services becomes one of ours that names its type alone.
"""

import hashlib
import logging
import re
import threading
from typing import TYPE_CHECKING, Any

from prunella_operator.integrations.http_errors import error_from_status
from prunella_operator.integrations.notifiers.render import Style, body, title
from prunella_operator.integrations.notifiers.services import FILE_OPTIONS, Service, find_service
from prunella_workflows.contracts.notifications import Link, Message
from prunella_workflows.model.errors import AuthenticationError, InvalidInputError, PrunellaError, Unavailable
from prunella_workflows.model.incident import Severity
from prunella_workflows.model.labels import GROUP

if TYPE_CHECKING:
    from apprise.plugins.base import NotifyBase

_HTTP = re.compile(r"error=(\d{3})\b")
_SMTP = re.compile(r"Socket Exception:.*?\((\d{3}), ")
_TIMEOUT = 10.0  # seconds for each connection and each answer
_SMTP_PERMANENT = 500
_SMTP_CREDENTIALS = frozenset({530, 534, 535, 538})
_FORMATS = {  # apprise would open the mentions again that we closed, were Slack's text Markdown to it
    Style.TEXT: "text",
    Style.MARKDOWN: "markdown",
    Style.GOOGLE: "markdown",
    Style.SLACK: "text",
    Style.HTML: "html",
}
_TYPES = {Severity.CRITICAL: "failure", Severity.HIGH: "warning", Severity.MEDIUM: "warning", Severity.LOW: "info"}


class AppriseNotifier:
    """One for the process; thread-safe."""

    def __init__(self) -> None:
        self._verdicts = _Verdicts.installed()

    def kind(self, url: str) -> str:
        """Our name of the service behind an address."""
        return find_service(url).name

    def send(self, url: str, message: Message, links: tuple[Link, ...]) -> None:
        """Send one message, once."""
        service = find_service(url)
        problem: PrunellaError | None
        self._verdicts.clear()
        try:
            done = _post(url, service, message, links)
        except PrunellaError:
            raise
        except Exception as error:  # noqa: BLE001 - what 100 services raise may carry the address: only its type leaves
            problem = Unavailable(f"{service.name} failed: {type(error).__name__}")
        else:
            problem = None if done else self._verdicts.problem(service.name)
        if problem is not None:  # outside of the handler: no trace of the service's error goes with it
            raise problem


def _post(url: str, service: Service, message: Message, links: tuple[Link, ...]) -> bool:
    from apprise.common import NotifyFormat, NotifyType, OverflowMode  # noqa: PLC0415 - 40 MiB that few processes need

    plugin = _plugin(url)
    plugin.notify_format = NotifyFormat(_FORMATS[service.style])
    _join_thread(plugin, message.thread)
    limits = [one for one in (plugin.body_maxlen, service.limit) if one > 0]
    merged = plugin.title_maxlen <= 0
    subject = title(message, Style.TEXT if service.style is Style.HTML and not merged else service.style)
    room = min(limits) - (len(subject) + 10 if merged else 0) if limits else 0
    return bool(
        plugin.notify(
            body=body(message, links, service.style, room),
            title=subject,
            notify_type=NotifyType(_TYPES[message.severity]),
            body_format=plugin.notify_format,
            overflow=OverflowMode.TRUNCATE,
        )
    )


def _plugin(url: str) -> "NotifyBase":
    """The service's object, kept from files, redirects and long waits."""
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415 - see above
    from apprise import plugins as untyped  # noqa: PLC0415 - see above

    read: Any = untyped.url_to_dict
    parts = read(url.strip(), secure_logging=True)
    if parts is None:
        raise InvalidInputError("its url makes no sense to apprise")
    if forbidden := sorted(FILE_OPTIONS & set(parts.get("qsd") or ())):
        raise InvalidInputError(f"its url may not have the options {', '.join(forbidden)}, which read files")
    asset = AppriseAsset(
        app_id="Prunella",
        app_desc="Prunella",
        app_url="",
        image_url_mask="",
        image_url_logo="",
        http_redirects=False,
        storage_mode="memory",
        pgp_autogen=False,
        pem_autogen=False,
    )
    plugin: Any = Apprise.instantiate({**parts, "redirect": False}, asset=asset)
    if plugin is None:
        raise InvalidInputError("its url lacks something that the service needs")
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, _TIMEOUT)
    plugin.socket_read_timeout = min(plugin.socket_read_timeout, _TIMEOUT)
    service: NotifyBase = plugin
    return service


def _join_thread(plugin: Any, thread: str) -> None:
    """Keep the messages about one thing together, where the service and apprise can."""
    name = f"prunella-{hashlib.sha256(thread.encode()).hexdigest()[:32]}"
    match type(plugin).__name__:
        case "NotifyEmail":
            reference = f"<{name}@{GROUP}>"
            plugin.headers = {**plugin.headers, "In-Reply-To": reference, "References": reference}
        case "NotifyGoogleChat":
            plugin.thread_key = plugin.thread_key or name
        case "NotifyOpsgenie":
            plugin.alias = plugin.alias or name
        case "NotifySplunk":
            plugin.entity_id = name


class _Verdicts(logging.Handler):
    """Takes apprise's log out of circulation and keeps of it, for each thread, the last status code."""

    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()

    @classmethod
    def installed(cls) -> "_Verdicts":
        """The only handler of apprise's logger, which passes nothing on."""
        log = logging.getLogger("apprise")
        for there in log.handlers:
            if isinstance(there, cls):
                return there
        handler = cls()
        log.handlers[:] = [handler]
        log.propagate = False
        log.setLevel(logging.DEBUG)  # SMTP's codes are told at this level only
        return handler

    def emit(self, record: logging.LogRecord) -> None:
        """Remember the code that a record tells, if any."""
        told = record.getMessage()
        for kind, pattern in (("http", _HTTP), ("smtp", _SMTP)):
            if match := pattern.search(told):
                self._local.code = kind, int(match[1])

    def clear(self) -> None:
        """Forget what this thread was told before."""
        self._local.code = None

    def problem(self, service: str) -> PrunellaError:
        """Our error for a message that this thread could not send."""
        code = getattr(self._local, "code", None)
        if code is None:
            return Unavailable(f"{service} did not take the message")
        kind, number = code
        return (_error_from_smtp if kind == "smtp" else error_from_status)(service, number)


def _error_from_smtp(service: str, code: int) -> PrunellaError:
    said = f"{service} answered {code}"
    if code in _SMTP_CREDENTIALS:
        return AuthenticationError(f"{said}: the mail server refuses our credentials")
    if code >= _SMTP_PERMANENT:
        return InvalidInputError(f"{said}: the mail server refuses the message")
    return Unavailable(said)
