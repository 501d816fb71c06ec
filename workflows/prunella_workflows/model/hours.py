"""Daily hours of a policy: maintenance windows and quiet hours, in UTC."""

from datetime import datetime, timedelta

from prunella_workflows.model.base import Value

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Hours(Value):
    """A daily time span in UTC. If the end is before the start, it ends on the next day."""

    days: tuple[str, ...] = ()
    """Days (Mon to Sun) on which the span starts; none means every day."""
    start: str
    """Start of the span, as HH:MM in UTC."""
    end: str
    """End of the span, as HH:MM in UTC."""

    def cover(self, now: datetime) -> bool:
        """Report whether the moment lies within the span."""
        clock = now.strftime("%H:%M")
        overnight = self.end < self.start
        day = now - timedelta(days=1) if overnight and clock < self.end else now
        if self.days and _DAYS[day.weekday()] not in self.days:
            return False
        return clock >= self.start or clock < self.end if overnight else self.start <= clock < self.end

    def end_after(self, now: datetime) -> datetime:
        """The first time after `now` at which the span ends."""
        hour, minute = (int(part) for part in self.end.split(":"))
        end = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
        return end if end > now else end + timedelta(days=1)


class MaintenanceWindow(Hours):
    """Hours in which repairs are allowed."""


class QuietHours(Hours):
    """Hours in which notifications that are not Critical are held back until the end."""
