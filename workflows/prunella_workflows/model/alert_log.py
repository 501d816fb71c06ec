"""The log of one alert: the current firing, what was resolved, and whether a message is news.

Messages are repeated, duplicated and reordered; Alertmanager moves the start of a firing back when it merges the alerts
of two Prometheus servers. So a resolution is judged by its end, not by its start. Pure: the time is an argument.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from prunella_workflows.model.alert import Alert
from prunella_workflows.model.base import Value


class MessageKind(StrEnum):
    """The kind of a message, given the log."""

    NEW = "New"
    """A firing that was not reported before."""
    REPEAT = "Repeat"
    """Nothing new."""
    LATE = "Late"
    """A firing that is known to be resolved: the messages arrived in the wrong order."""
    RESOLVED = "Resolved"
    """The end of the current firing."""
    STALE = "Stale"
    """The end of a firing before the current one."""
    EARLY = "Early"
    """The end of a firing that was not reported yet."""


class AlertLog(Value):
    """The state of one alert. `heard`, `resolved_heard`: when the last message and resolution arrived."""

    firing: Alert | None = None
    resolved_through: datetime | None = None
    resolved_heard: datetime | None = None
    heard: datetime | None = None
    repeats: int = 0
    ignored: int = 0

    def fire(self, alert: Alert, now: datetime, window: float) -> tuple["AlertLog", MessageKind]:
        """Record a firing. `window`: the seconds after a resolution in which an older firing counts as late."""
        log = self.model_copy(update={"heard": now})
        if self._is_late(alert, now, window):
            return log.model_copy(update={"ignored": self.ignored + 1}), MessageKind.LATE
        if self.firing is None or alert.starts_at > self.firing.starts_at:
            return log.model_copy(update={"firing": alert}), MessageKind.NEW
        return log.model_copy(update={"repeats": self.repeats + 1}), MessageKind.REPEAT

    def resolve(self, alert: Alert, now: datetime) -> tuple["AlertLog", MessageKind]:
        """Record a resolution."""
        end = alert.ends_at or alert.starts_at
        known, through = self.resolved_through, max(end, self.resolved_through or end)
        log = self.model_copy(update={"heard": now, "resolved_heard": now, "resolved_through": through})
        if self.firing is not None and max(end, alert.starts_at) >= self.firing.starts_at:
            return log.model_copy(update={"firing": None}), MessageKind.RESOLVED
        ignored = log.model_copy(update={"ignored": self.ignored + 1})
        if self.firing is not None:
            return ignored, MessageKind.STALE
        return (ignored, MessageKind.REPEAT) if known is not None and end <= known else (log, MessageKind.EARLY)

    def _is_late(self, alert: Alert, now: datetime, window: float) -> bool:
        through, heard = self.resolved_through, self.resolved_heard
        if through is None or heard is None or alert.starts_at > through:
            return False
        return now - heard < timedelta(seconds=window)
