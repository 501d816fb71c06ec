"""An incident that an alert opened, while that alert fires: calm pods are no recovery, because something measures more.

A pure function of the evidence, as `confirmation`.
"""

from prunella_workflows.model.evidence import Evidence
from prunella_workflows.model.outcome import Presence, Sighting

STILL_FIRING = "AlertStillFiring"
_POLL_INTERVAL_SECONDS = 10.0


def wait_while_firing(sighting: Sighting, evidence: Evidence, patience: float) -> Sighting:
    """Watch on instead of a recovery while the alert fires; after `patience` seconds the fault counts as present.

    What was measured stays in the message.
    """
    since = evidence.alert_since
    if sighting.presence is not Presence.RECOVERED or since is None:
        return sighting
    waited = (evidence.read_at - evidence.opened_at).total_seconds()
    presence = Presence.WATCHING if waited < patience else Presence.FAILING
    message = f"the alert has fired since {since:%Y-%m-%d %H:%M} UTC although {sighting.message}"
    changes = {"presence": presence, "reason": STILL_FIRING, "message": message, "again": _POLL_INTERVAL_SECONDS}
    return sighting.model_copy(update=changes)
