"""The part of a policy that says who is notified of an escalation, and when.

The docstring below a field is its description in the CRD (`make crds`).
"""

from datetime import datetime, timedelta

from prunella_workflows.model.base import Value
from prunella_workflows.model.duration import Duration
from prunella_workflows.model.hours import QuietHours


class EscalationLevel(Value):
    """Channels to notify when no one has acknowledged `after` seconds after the escalation."""

    after: Duration
    """Time since the escalation, at most 7d."""
    channels: tuple[str, ...]
    """Names of Secrets, as in escalation.channels."""


class EscalationRule(Value):
    """Notification on escalation. Secrets are plain names in a policy, and `NAMESPACE/NAME` in an EffectivePolicy."""

    channels: tuple[str, ...] | None = None
    """Names of Secrets in the policy's namespace that hold the addresses of channels, all of which are notified."""
    levels: tuple[EscalationLevel, ...] | None = None
    """Further channels to notify while no one acknowledges the incident; each level is notified once, at its time."""
    ticket: str | None = None
    """Name of the Secret, in the same namespace as those of the channels, that holds the address of a ticket system.
    Each escalated incident gets one ticket. Empty: no tickets."""
    quiet_hours: tuple[QuietHours, ...] | None = None
    """Hours in which no notification is sent for incidents that are not Critical; it is sent when they end."""

    @property
    def ladder(self) -> tuple[EscalationLevel, ...]:
        """All levels in the order of their times; `channels` are level 0, which is notified immediately."""
        return (
            EscalationLevel(after=0.0, channels=self.channels or ()),
            *sorted(self.levels or (), key=lambda level: level.after),
        )

    def quiet_until(self, moment: datetime) -> datetime:
        """The first minute from `moment` on outside of all quiet hours; `moment` itself if they never end."""
        found, limit = moment, moment + timedelta(days=8)
        while found < limit and (covering := [hours for hours in self.quiet_hours or () if hours.cover(found)]):
            found = max(hours.end_after(found) for hours in covering)
        return found if found < limit else moment
