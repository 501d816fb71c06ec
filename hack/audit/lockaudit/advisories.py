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
_TIMEOUT_SECONDS = 5  # per read of a response
_MAX_CONCURRENT = 16
_PROBE_COUNT = 3  # a source without a response to any of these has no advisories
_MAX_RESPONSE_BYTES = 20_000_000  # bytes


class NoResponse(Exception):
    """The source gave no usable response for a package; the text is the reason."""


@dataclass(frozen=True)
class Advisory:
    """A known vulnerability of a package. `names` are its id and its aliases."""

    package: Package
    names: tuple[str, ...]
    fixed: tuple[str, ...]
    link: str

    def __str__(self) -> str:
        fixed = f"fixed in {', '.join(self.fixed)}" if self.fixed else "no version has a fix"
        return f"{self.package}: {' '.join(self.names)}: {fixed} {self.link}".rstrip()


@dataclass(frozen=True)
class Responses:
    """The advisories of the queried packages, and the reason for each package without a response."""

    queried: tuple[Package, ...]
    advisories: tuple[Advisory, ...]
    unanswered: dict[Package, str]


def query_all(packages: Collection[Package], source: str = SOURCE, seconds: float = 30) -> Responses:
    """Query all packages. Stop after `seconds`, or when none of the first few gets a response."""
    order, end = sorted(packages), time.monotonic() + seconds
    found = _query_concurrently(order[:_PROBE_COUNT], source, end)
    if len(found.unanswered) == min(_PROBE_COUNT, len(order)):
        reason = next(iter(found.unanswered.values()), "no package was queried")
        return Responses(tuple(order), (), dict.fromkeys(order, reason))
    rest = _query_concurrently(order[_PROBE_COUNT:], source, end)
    return Responses(tuple(order), found.advisories + rest.advisories, found.unanswered | rest.unanswered)


def _query_concurrently(packages: Sequence[Package], source: str, end: float) -> Responses:
    advisories: list[Advisory] = []
    unanswered: dict[Package, str] = {}
    with ThreadPoolExecutor(_MAX_CONCURRENT) as pool:
        queried = {one: pool.submit(_query_before, one, source, end) for one in packages}
        for package, answer in queried.items():
            try:
                advisories += answer.result()
            except NoResponse as error:
                unanswered[package] = str(error)
    return Responses(tuple(packages), tuple(advisories), unanswered)


def _query_before(package: Package, source: str, end: float) -> list[Advisory]:
    if (left := end - time.monotonic()) <= 0:
        raise NoResponse("the time to query all packages ran out")
    return query(package, source, min(_TIMEOUT_SECONDS, left))


def query(package: Package, source: str = SOURCE, timeout: float = _TIMEOUT_SECONDS) -> list[Advisory]:
    """Query the advisories of one package, without withdrawn ones. Raises NoResponse."""
    url = f"{source}/{package.name}/{package.version}/json"
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            raw = json.loads(response.read(_MAX_RESPONSE_BYTES))
        return [
            _advisory(package, vulnerability)
            for vulnerability in raw["vulnerabilities"]
            if not vulnerability.get("withdrawn")
        ]
    except urllib.error.HTTPError as error:
        error.close()  # it is the response, too
        raise NoResponse(f"{url} returned {error.code}") from error
    except (OSError, http.client.HTTPException) as error:
        raise NoResponse(f"no response from {url}: {getattr(error, 'reason', error)}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NoResponse(f"{url} returned no field vulnerabilities as PyPI documents it") from error


def _advisory(package: Package, raw: dict[str, object]) -> Advisory:
    names = (str(raw["id"]), *_strings(raw.get("aliases")))
    return Advisory(package, names, _strings(raw.get("fixed_in")), str(raw.get("link") or ""))


def _strings(raw: object) -> tuple[str, ...]:
    return tuple(str(one) for one in raw) if isinstance(raw, list) else ()
