"""Send messages over apprise, which returns yes or no and logs the rest, addresses included. So its log goes only to
`_StatusCodes`, and an exception of its services becomes one of ours that names only its type.
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

_HTTP_CODE = re.compile(r"error=(\d{3})\b")
_SMTP_CODE = re.compile(r"Socket Exception:.*?\((\d{3}), ")
_TIMEOUT_SECONDS = 10.0  # of each connection and each response
_SMTP_PERMANENT = 500
_SMTP_CREDENTIALS = frozenset({530, 534, 535, 538})
_FORMATS = {  # not Markdown for Slack: apprise would restore the mentions that we escaped
    Style.TEXT: "text",
    Style.MARKDOWN: "markdown",
    Style.GOOGLE: "markdown",
    Style.SLACK: "text",
    Style.HTML: "html",
}
_TYPES = {Severity.CRITICAL: "failure", Severity.HIGH: "warning", Severity.MEDIUM: "warning", Severity.LOW: "info"}


class AppriseNotifier:
    """One per process; thread-safe."""

    def __init__(self) -> None:
        self._codes = _StatusCodes.install()

    def kind(self, url: str) -> str:
        """Return our name of the service behind an address."""
        return find_service(url).name

    def send(self, url: str, message: Message, links: tuple[Link, ...]) -> None:
        """Send one message, once."""
        service = find_service(url)
        problem: PrunellaError | None
        self._codes.clear()
        try:
            sent = _post(url, service, message, links)
        except PrunellaError:
            raise
        except Exception as error:  # noqa: BLE001 - errors of 100 services may contain the address: only the type is kept
            problem = Unavailable(f"{service.name} failed: {type(error).__name__}")
        else:
            problem = None if sent else self._codes.problem(service.name)
        if problem is not None:  # outside of the handler, so that the service's error is not its context
            raise problem


def _post(url: str, service: Service, message: Message, links: tuple[Link, ...]) -> bool:
    from apprise.common import NotifyFormat, NotifyType, OverflowMode  # noqa: PLC0415 - 40 MiB that few processes need

    plugin = _plugin(url)
    plugin.notify_format = NotifyFormat(_FORMATS[service.style])
    _join_thread(plugin, message.thread)
    limits = [limit for limit in (plugin.body_maxlen, service.limit) if limit > 0]
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
    """Make the service's plugin, without access to files, redirects and long waits."""
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415 - see above
    from apprise import plugins as untyped  # noqa: PLC0415 - see above

    read: Any = untyped.url_to_dict
    parts = read(url.strip(), secure_logging=True)
    if parts is None:
        raise InvalidInputError("apprise cannot parse the URL")
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
        raise InvalidInputError("its url lacks a part that the service needs")
    plugin.socket_connect_timeout = min(plugin.socket_connect_timeout, _TIMEOUT_SECONDS)
    plugin.socket_read_timeout = min(plugin.socket_read_timeout, _TIMEOUT_SECONDS)
    service: NotifyBase = plugin
    return service


def _join_thread(plugin: Any, thread: str) -> None:
    """Group the messages of one thread, where the service and apprise support it."""
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


class _StatusCodes(logging.Handler):
    """Swallows apprise's log, and keeps the last status code of each thread."""

    def __init__(self) -> None:
        super().__init__()
        self._local = threading.local()

    @classmethod
    def install(cls) -> "_StatusCodes":
        """Install it as the only handler of apprise's logger, without propagation."""
        log = logging.getLogger("apprise")
        for existing in log.handlers:
            if isinstance(existing, cls):
                return existing
        handler = cls()
        log.handlers[:] = [handler]
        log.propagate = False
        log.setLevel(logging.DEBUG)  # SMTP codes are logged at this level only
        return handler

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the status code of a record, if it has one."""
        text = record.getMessage()
        for kind, pattern in (("http", _HTTP_CODE), ("smtp", _SMTP_CODE)):
            if match := pattern.search(text):
                self._local.code = kind, int(match[1])

    def clear(self) -> None:
        """Forget the last code of this thread."""
        self._local.code = None

    def problem(self, service: str) -> PrunellaError:
        """Make our error for a message that this thread could not send."""
        code = getattr(self._local, "code", None)
        if code is None:
            return Unavailable(f"{service} did not accept the message")
        kind, number = code
        return (_error_from_smtp if kind == "smtp" else error_from_status)(service, number)


def _error_from_smtp(service: str, code: int) -> PrunellaError:
    message = f"{service} answered {code}"
    if code in _SMTP_CREDENTIALS:
        return AuthenticationError(f"{message}: the mail server refuses our credentials")
    if code >= _SMTP_PERMANENT:
        return InvalidInputError(f"{message}: the mail server refuses the message")
    return Unavailable(message)
