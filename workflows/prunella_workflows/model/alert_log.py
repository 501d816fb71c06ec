"""The book of one alert: which firing is on, what was resolved, and whether a message says anything new.

Messages repeat, come twice, and come in the wrong order; Alertmanager moves the start of a firing back when it merges
what two Prometheus servers say. So a resolution is judged by its end, not by its start. Pure: the time is an argument.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from prunella_workflows.model.alert import Alert
from prunella_workflows.model.base import Value


class MessageKind(StrEnum):
    """What a message was."""

    NEW = "New"
    """A firing that nobody told of before."""
    REPEAT = "Repeat"
    """Nothing new."""
    LATE = "Late"
    """A firing that is known to be resolved: the messages came in the wrong order."""
    RESOLVED = "Resolved"
    """The end of the firing that is on."""
    STALE = "Stale"
    """The end of an earlier firing than the one that is on."""
    EARLY = "Early"
    """The end of a firing that nobody has told of yet."""


class AlertLog(Value):
    """What is known of one alert. `firing` is the firing that is on, if any; counts are for people."""

    firing: Alert | None = None
    resolved_through: datetime | None = None
    resolved_heard: datetime | None = None
    heard: datetime | None = None
    repeats: int = 0
    ignored: int = 0

    def fire(self, alert: Alert, now: datetime, window: float) -> tuple["AlertLog", MessageKind]:
        """Take a firing. `window` is for how many seconds after a resolution an older firing counts as late."""
        heard = self.model_copy(update={"heard": now})
        if self._late(alert, now, window):
            return heard.model_copy(update={"ignored": self.ignored + 1}), MessageKind.LATE
        if self.firing is None or alert.starts_at > self.firing.starts_at:
            return heard.model_copy(update={"firing": alert}), MessageKind.NEW
        return heard.model_copy(update={"repeats": self.repeats + 1}), MessageKind.REPEAT

    def resolve(self, alert: Alert, now: datetime) -> tuple["AlertLog", MessageKind]:
        """Take a resolution."""
        end = alert.ends_at or alert.starts_at
        known, through = self.resolved_through, max(end, self.resolved_through or end)
        book = self.model_copy(update={"heard": now, "resolved_heard": now, "resolved_through": through})
        if self.firing is not None and max(end, alert.starts_at) >= self.firing.starts_at:
            return book.model_copy(update={"firing": None}), MessageKind.RESOLVED
        ignored = book.model_copy(update={"ignored": self.ignored + 1})
        if self.firing is not None:
            return ignored, MessageKind.STALE
        return (ignored, MessageKind.REPEAT) if known is not None and end <= known else (book, MessageKind.EARLY)

    def _late(self, alert: Alert, now: datetime, window: float) -> bool:
        through, heard = self.resolved_through, self.resolved_heard
        if through is None or heard is None or alert.starts_at > through:
            return False
        return now - heard < timedelta(seconds=window)
