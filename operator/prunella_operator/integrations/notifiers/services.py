"""The services that a channel may be, by the scheme of its apprise URL.

An allow-list, because a channel's Secret belongs to a tenant: services that act on this machine (desktop, syslog) or
read its files are excluded. A new one is one line, after a review of the options of its URL.
"""

import re
from dataclasses import dataclass

from prunella_operator.integrations.notifiers.render import Style
from prunella_workflows.model.errors import InvalidInputError

_SCHEME = re.compile(r"\s*([a-z0-9]+)://", re.IGNORECASE)


@dataclass(frozen=True)
class Service:
    """One service: our name for it, its markup, and its limit of characters if apprise does not know it (0: none)."""

    name: str
    style: Style = Style.TEXT
    limit: int = 0


_MAIL = Service("mail", Style.HTML)
_PLAIN_WEBHOOK = Service("webhook")
_MATTERMOST = Service("mattermost", Style.MARKDOWN)
_ROCKET = Service("rocketchat", Style.MARKDOWN)
_MATRIX = Service("matrix")
_NTFY = Service("ntfy")
_GOTIFY = Service("gotify")
_SPLUNK = Service("splunk", limit=400)

SERVICES = {
    "mailto": _MAIL,
    "mailtos": _MAIL,
    "mailgun": Service("mailgun", Style.HTML),
    "sendgrid": Service("sendgrid", Style.HTML),
    "ses": Service("ses", Style.HTML),
    "slack": Service("slack", Style.SLACK),
    "discord": Service("discord", Style.MARKDOWN),
    "workflows": Service("msteams", Style.MARKDOWN),
    "gchat": Service("googlechat", Style.GOOGLE),
    "mmost": _MATTERMOST,
    "mmosts": _MATTERMOST,
    "rocket": _ROCKET,
    "rockets": _ROCKET,
    "zulip": Service("zulip", Style.MARKDOWN),
    "wxteams": Service("webex", Style.MARKDOWN),
    "tgram": Service("telegram", Style.HTML),
    "matrix": _MATRIX,
    "matrixs": _MATRIX,
    "ntfy": _NTFY,
    "ntfys": _NTFY,
    "gotify": _GOTIFY,
    "gotifys": _GOTIFY,
    "pover": Service("pushover"),
    "pagerduty": Service("pagerduty", limit=1000),
    "opsgenie": Service("opsgenie"),
    "splunk": _SPLUNK,
    "victorops": _SPLUNK,
    "signl4": Service("signl4"),
    "pagertree": Service("pagertree"),
    "twilio": Service("twilio"),
    "sns": Service("sns"),
    "json": _PLAIN_WEBHOOK,
    "jsons": _PLAIN_WEBHOOK,
}

FILE_OPTIONS = frozenset({"template", "pgp", "pgpkey", "pgppub", "pgpprv", "wkd", "keyfile", "attach", "attach-as"})
"""Options of an apprise URL that would read or write files of this machine."""


def find_service(url: str) -> Service:
    """Find the service behind an address.

    Raises:
        InvalidInputError: it is not on the allow-list; the message does not repeat the address.
    """
    match = _SCHEME.match(url)
    if match is None or match[1].lower() not in SERVICES:
        raise InvalidInputError(f"its url must begin with one of {', '.join(f'{service}://' for service in SERVICES)}")
    return SERVICES[match[1].lower()]
