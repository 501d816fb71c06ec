"""The services that a channel may be, by the scheme of its apprise URL. An allow-list, because a channel's Secret
belongs to a tenant: no service acts on this machine (desktop, syslog) or reads its files. Review a new one's options.
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


_SERVICES = (
    ("mailto mailtos", Service("mail", Style.HTML)),
    ("mailgun", Service("mailgun", Style.HTML)),
    ("sendgrid", Service("sendgrid", Style.HTML)),
    ("ses", Service("ses", Style.HTML)),
    ("slack", Service("slack", Style.SLACK)),
    ("discord", Service("discord", Style.MARKDOWN)),
    ("workflows", Service("msteams", Style.MARKDOWN)),
    ("gchat", Service("googlechat", Style.GOOGLE)),
    ("mmost mmosts", Service("mattermost", Style.MARKDOWN)),
    ("rocket rockets", Service("rocketchat", Style.MARKDOWN)),
    ("zulip", Service("zulip", Style.MARKDOWN)),
    ("wxteams", Service("webex", Style.MARKDOWN)),
    ("tgram", Service("telegram", Style.HTML)),
    ("matrix matrixs", Service("matrix")),
    ("ntfy ntfys", Service("ntfy")),
    ("gotify gotifys", Service("gotify")),
    ("pover", Service("pushover")),
    ("pagerduty", Service("pagerduty", limit=1000)),
    ("opsgenie", Service("opsgenie")),
    ("splunk victorops", Service("splunk", limit=400)),
    ("signl4", Service("signl4")),
    ("pagertree", Service("pagertree")),
    ("twilio", Service("twilio")),
    ("sns", Service("sns")),
    ("json jsons", Service("webhook")),
)
SERVICES = {scheme: service for schemes, service in _SERVICES for scheme in schemes.split()}

FILE_OPTIONS = frozenset({"template", "pgp", "pgpkey", "pgppub", "pgpprv", "wkd", "keyfile", "attach", "attach-as"})
"""Options of an apprise URL that would read or write files of this machine."""


def find_service(url: str) -> Service:
    """Find the service behind an address. Raises InvalidInputError, which does not repeat the address, for others."""
    match = _SCHEME.match(url)
    if match is None or match[1].lower() not in SERVICES:
        raise InvalidInputError(f"its url must begin with one of {', '.join(f'{service}://' for service in SERVICES)}")
    return SERVICES[match[1].lower()]
