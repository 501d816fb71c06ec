"""Parser of lock files. They may hold pins with hashes, and comments; any other line is a fault, so that no other form
of installing a package has to be recognised.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_PIN = re.compile(r"(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)==(?P<version>[0-9][\w.+!]*)(?: ; [^\\@]+)?(?P<more> \\)?")
_HASH = re.compile(r"    --hash=sha256:(?P<hash>[0-9a-f]{64})(?P<more> \\)?")


@dataclass(frozen=True, order=True)
class Package:
    """One version of one package."""

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


@dataclass(frozen=True)
class Lock:
    """The pins of a lock file, each package with its hashes, and its faults."""

    name: str
    pins: Mapping[Package, frozenset[str]]
    faults: tuple[str, ...]


def read_lock(path: Path) -> Lock:
    """Parse a lock file.

    Raises:
        OSError: the file cannot be read.
    """
    pins: dict[Package, frozenset[str]] = {}
    faults: list[str] = []
    package: Package | None = None  # the one whose hashes may follow
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if pin := _PIN.fullmatch(line):
            package = Package(pin["name"], pin["version"])
            pins[package] = frozenset()
        elif package and (found := _HASH.fullmatch(line)):
            pins[package] |= {found["hash"]}
        elif not line.startswith("#"):
            package = None
            faults.append(f"{path.name}:{number}: neither a pin nor a hash: {line.strip()}")
    faults += (f"{path.name}: {package} has no hash" for package, hashes in pins.items() if not hashes)
    return Lock(path.name, pins, tuple(faults))


def find_unlocked(image: Lock, whole: Lock) -> Iterator[str]:
    """Packages of the image that the tests did not run with."""
    for package, hashes in image.pins.items():
        if package not in whole.pins:
            yield f"{image.name}: {package} is not in {whole.name}"
        elif not hashes <= whole.pins[package]:
            yield f"{image.name}: {package} has hashes that {whole.name} does not have"
