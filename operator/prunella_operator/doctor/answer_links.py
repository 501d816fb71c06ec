"""Doctor check of the keys that sign links to approve and to reject in messages."""

from datetime import timedelta

from prunella_operator.config.settings import Settings
from prunella_operator.doctor.check import Check, check_not_world_readable
from prunella_operator.integrations.answer_links import create_answer_links
from prunella_workflows.model.errors import PrunellaError

_NAME = "Link keys"


def check_links(settings: Settings) -> Check | None:
    """Check that links can be signed; None without link_key_file."""
    try:
        links = create_answer_links(settings)
    except PrunellaError as error:
        fix = "write keys into it, one per line: openssl rand -base64 32 > FILE; see docs/notifications.md"
        return Check(_NAME, passed=False, message=str(error), fix=fix)
    if links is None:
        return None
    hours, keys = links.lifetime / timedelta(hours=1), len(links.keys())
    good = Check(_NAME, passed=True, message=f"links to {links.console_url} are valid for {hours:g} h, {keys} key(s)")
    return check_not_world_readable(_NAME, links.key_file) or good
