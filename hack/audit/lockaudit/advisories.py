"""PyPI's advisories: the field `vulnerabilities` of https://docs.pypi.org/api/json/ for one version of a package.

No data is never success: a package counts as audited only if the source answered with that field.
"""

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lockaudit.locks import Package

SOURCE = "https://pypi.org/pypi"
_TIMEOUT = 5  # seconds: the longest silence within one answer
_TOGETHER = 16
_FIRST = 3  # a source that knows none of so many packages has no advisories
_LARGEST = 20_000_000  # bytes


class NoAnswer(Exception):
    """The source did not say what it knows of a package; the text is why."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a package. `names` are its id and the ids that others gave it."""

    package: Package
    names: tuple[str, ...]
    fixed: tuple[str, ...]
    link: str

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no version has a fix"
        return f"{self.package}: {' '.join(self.names)}: {fixed} {self.link}".rstrip()


@dataclass(frozen=True)
class Answers:
    """What the source knows of the packages, and for which of them it gave no answer, and why."""

    asked: tuple[Package, ...]
    advisories: tuple[Advisory, ...]
    silent: dict[Package, str]


def ask_all(packages: Collection[Package], source: str = SOURCE, seconds: float = 30) -> Answers:
    """Ask for all of them. After `seconds`, or when the first few bring nothing, the rest is not asked for."""
    order, end = sorted(packages), time.monotonic() + seconds
    found = _ask_together(order[:_FIRST], source, end)
    if len(found.silent) == min(_FIRST, len(order)):
        reason = next(iter(found.silent.values()), "nothing was asked")
        return Answers(tuple(order), (), dict.fromkeys(order, reason))
    rest = _ask_together(order[_FIRST:], source, end)
    return Answers(tuple(order), found.advisories + rest.advisories, found.silent | rest.silent)


def _ask_together(packages: Sequence[Package], source: str, end: float) -> Answers:
    advisories: list[Advisory] = []
    silent: dict[Package, str] = {}
    with ThreadPoolExecutor(_TOGETHER) as pool:
        asked = {one: pool.submit(_ask_in_time, one, source, end) for one in packages}
        for package, answer in asked.items():
            try:
                advisories += answer.result()
            except NoAnswer as error:
                silent[package] = str(error)
    return Answers(tuple(packages), tuple(advisories), silent)


def _ask_in_time(package: Package, source: str, end: float) -> list[Advisory]:
    if (left := end - time.monotonic()) <= 0:
        raise NoAnswer("it took too long to ask for all packages")
    return ask(package, source, min(_TIMEOUT, left))


def ask(package: Package, source: str = SOURCE, timeout: float = _TIMEOUT) -> list[Advisory]:
    """What the source knows of one package, without what was withdrawn. Raises NoAnswer."""
    url = f"{source}/{package.name}/{package.version}/json"
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            said = json.loads(response.read(_LARGEST))
        return [
            _advisory(package, vulnerability)
            for vulnerability in said["vulnerabilities"]
            if not vulnerability.get("withdrawn")
        ]
    except urllib.error.HTTPError as error:
        error.close()  # it is the answer, too
        raise NoAnswer(f"{url} answers {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswer(f"{url} does not answer: {getattr(error, 'reason', error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoAnswer(f"{url} answers without the field vulnerabilities as PyPI documents it") from error


def _advisory(package: Package, said: dict[str, object]) -> Advisory:
    names = (str(said["id"]), *_words(said.get("aliases")))
    return Advisory(package, names, _words(said.get("fixed_in")), str(said.get("link") or ""))


def _words(said: object) -> tuple[str, ...]:
    return tuple(str(one) for one in said) if isinstance(said, list) else ()
