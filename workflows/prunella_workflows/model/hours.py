"""Daily hours of a policy: maintenance windows and quiet hours, by the clock of a time zone."""

import re
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pydantic import field_validator

from prunella_workflows.model.base import Value

_MINUTE = timedelta(minutes=1)
_MINUTES_A_DAY = 24 * 60
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Hours(Value):
    """A daily time span by the clock of a time zone. If the end is before the start, it ends on the next day.

    The wall clock decides: a time that the change to summer time skips is over when the clock has passed it, and an
    hour that comes twice in autumn counts twice.
    """

    days: tuple[str, ...] = ()
    """Days (Mon to Sun) on which the span starts; none means every day."""
    start: str
    """Start of the span, as HH:MM."""
    end: str
    """End of the span, as HH:MM."""
    time_zone: str = "UTC"
    """Time zone of days, start and end: a name of the IANA database, which knows about summer time. UTC if it is not
    set."""

    @field_validator("time_zone")
    @classmethod
    def _reject_unknown_zone(cls, name: str) -> str:
        """Raise ValueError for a name that the machine's time zone database does not have."""
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is not a time zone such as Europe/Berlin") from None
        return name

    def cover(self, now: datetime) -> bool:
        """Report whether the moment lies within the span."""
        local = now.astimezone(ZoneInfo(self.time_zone))
        clock = local.strftime("%H:%M")
        overnight = self.end < self.start
        day = local - timedelta(days=1) if overnight and clock < self.end else local
        if self.days and _DAYS[day.weekday()] not in self.days:
            return False
        return clock >= self.start or clock < self.end if overnight else self.start <= clock < self.end

    def end_after(self, covered: datetime) -> datetime:
        """The minute in which the span that covers this moment ends; the next minute if the clock is changed before."""
        minute = covered.replace(second=0, microsecond=0)
        local = minute.astimezone(ZoneInfo(self.time_zone))
        if (clock := _CLOCK.fullmatch(self.end)) is None:
            return minute + _MINUTE
        left = 60 * (int(clock[1]) - local.hour) + int(clock[2]) - local.minute
        end = minute + left % _MINUTES_A_DAY * _MINUTE
        is_same_clock = end.astimezone(local.tzinfo).utcoffset() == local.utcoffset()
        return end if is_same_clock else minute + _MINUTE


class MaintenanceWindow(Hours):
    """Hours in which repairs are allowed."""


class QuietHours(Hours):
    """Hours in which notifications that are not Critical are held back until the end."""
