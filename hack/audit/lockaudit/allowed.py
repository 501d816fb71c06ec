"""Known vulnerabilities that are accepted until a date: allowed.toml, each with a reason."""

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from lockaudit.advisories import Advisory, Responses

MAX_DURATION = timedelta(days=90)
_FIELDS = {"package": str, "id": str, "reason": str, "until": date}


class BadEntry(ValueError):
    """An entry has a missing or an unknown field; the text names the entry."""


@dataclass(frozen=True)
class Allowed:
    """A vulnerability that is accepted up to and including a date."""

    package: str
    id: str
    reason: str
    until: date

    def covers(self, advisory: Advisory, today: date) -> bool:
        """Report whether this is the vulnerability, and the date has not passed."""
        return self.matches(advisory) and today <= self.until

    def matches(self, advisory: Advisory) -> bool:
        """Report whether this is the vulnerability, by any of its names."""
        return self.package == advisory.package.name and self.id in advisory.names

    def __str__(self) -> str:
        return f"{self.package} {self.id}, allowed until {self.until} ({self.reason})"


def load_allowed(path: Path, today: date) -> tuple[Allowed, ...]:
    """Read the list. Raises BadEntry, OSError, or tomllib.TOMLDecodeError."""
    entries = tomllib.loads(path.read_text()).get("allowed", [])
    return tuple(_entry(entry, f"{path.name}: entry {number}", today) for number, entry in enumerate(entries, 1))


def _entry(raw: dict[str, object], where: str, today: date) -> Allowed:
    if set(raw) != set(_FIELDS):
        raise BadEntry(f"{where}: needs exactly {', '.join(_FIELDS)}")
    for field, kind in _FIELDS.items():
        if type(raw[field]) is not kind or not raw[field]:
            raise BadEntry(f"{where}: {field} is not a {kind.__name__}, or is empty")
    found = Allowed(**raw)  # type: ignore[arg-type] # checked by the loop above
    if found.until > today + MAX_DURATION:
        raise BadEntry(f"{where}: ends more than {MAX_DURATION.days} days from now")
    return found


def judge(advisories: Iterable[Advisory], allowed: Collection[Allowed], today: date) -> list[str]:
    """Vulnerabilities that no entry allows, one line each."""
    return [
        f"known vulnerability: {advisory}{_ended(advisory, allowed)}"
        for advisory in advisories
        if not any(entry.covers(advisory, today) for entry in allowed)
    ]


def _ended(advisory: Advisory, allowed: Iterable[Allowed]) -> str:
    return "".join(f" (was allowed until {entry.until})" for entry in allowed if entry.matches(advisory))


def unused(responses: Responses, allowed: Iterable[Allowed]) -> list[str]:
    """Entries that match no known vulnerability. Empty unless every package was audited."""
    if responses.unanswered:
        return []
    return [
        f"matches no known vulnerability: {entry}"
        for entry in allowed
        if not any(map(entry.matches, responses.advisories))
    ]
