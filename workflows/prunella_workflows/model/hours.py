"""Daily hours of a policy: maintenance windows and quiet hours, in UTC."""

from datetime import datetime, timedelta

from prunella_workflows.model.base import Value

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Hours(Value):
    """A daily span (UTC, HH:MM) that starts on these days (Mon..Sun, empty = all); one that ends early goes on past
    midnight.
    """

    days: tuple[str, ...] = ()
    start: str
    end: str

    def cover(self, now: datetime) -> bool:
        """Whether the moment lies within."""
        clock = now.strftime("%H:%M")
        overnight = self.end < self.start
        day = now - timedelta(days=1) if overnight and clock < self.end else now
        if self.days and _DAYS[day.weekday()] not in self.days:
            return False
        return clock >= self.start or clock < self.end if overnight else self.start <= clock < self.end

    def end_after(self, now: datetime) -> datetime:
        """The first moment after `now` at which the span's end is on the clock."""
        hour, minute = (int(part) for part in self.end.split(":"))
        end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return end if end > now else end + timedelta(days=1)


class MaintenanceWindow(Hours):
    """Repairs are made only inside these hours."""


class QuietHours(Hours):
    """Nobody is told of what is not Critical before these hours end."""
