"""Known vulnerabilities that are accepted for a while: allowed.toml, each with a reason and an end."""

import tomllib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from lockaudit.advisories import Advisory, Answers

LONGEST = timedelta(days=90)
_FIELDS = {"package": str, "id": str, "reason": str, "until": date}


class BadEntry(ValueError):
    """An entry lacks a field, or has one that is not known; the text says which entry."""


@dataclass(frozen=True)
class Allowed:
    """A vulnerability that is accepted up to and including a day."""

    package: str
    id: str
    reason: str
    until: date

    def covers(self, advisory: Advisory, today: date) -> bool:
        """Is this the vulnerability, and has the end not passed?"""
        return self.means(advisory) and today <= self.until

    def means(self, advisory: Advisory) -> bool:
        """Is this the vulnerability, by any of its names?"""
        return self.package == advisory.package.name and self.id in advisory.names

    def __str__(self) -> str:
        return f"{self.package} {self.id}, allowed until {self.until} ({self.reason})"


def read_allowed(path: Path, today: date) -> tuple[Allowed, ...]:
    """Read the list. Raises BadEntry, OSError, or tomllib.TOMLDecodeError."""
    entries = tomllib.loads(path.read_text()).get("allowed", [])
    return tuple(_entry(one, f"{path.name}: entry {number}", today) for number, one in enumerate(entries, 1))


def _entry(said: dict[str, object], where: str, today: date) -> Allowed:
    if set(said) != set(_FIELDS):
        raise BadEntry(f"{where}: needs exactly {', '.join(_FIELDS)}")
    for field, kind in _FIELDS.items():
        if type(said[field]) is not kind or not said[field]:
            raise BadEntry(f"{where}: {field} is no {kind.__name__}, or empty")
    found = Allowed(**said)  # type: ignore[arg-type] # the loop above has looked
    if found.until > today + LONGEST:
        raise BadEntry(f"{where}: ends more than {LONGEST.days} days from now")
    return found


def judge(advisories: Iterable[Advisory], allowed: Collection[Allowed], today: date) -> list[str]:
    """The vulnerabilities that nothing allows, one line each."""
    return [
        f"known vulnerability: {advisory}{_ended(advisory, allowed)}"
        for advisory in advisories
        if not any(entry.covers(advisory, today) for entry in allowed)
    ]


def _ended(advisory: Advisory, allowed: Iterable[Allowed]) -> str:
    return "".join(f" (was allowed until {entry.until})" for entry in allowed if entry.means(advisory))


def unused(answers: Answers, allowed: Iterable[Allowed]) -> list[str]:
    """Entries for nothing that is still known. Only when every package was audited can that be said."""
    if answers.silent:
        return []
    return [f"is for nothing any more: {entry}" for entry in allowed if not any(map(entry.means, answers.advisories))]
