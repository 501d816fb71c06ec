"""The mix of `aiops.py`, read from a file, and the day that a seed draws from it."""

import random  # noqa: TID251 - seeded, and no part of the brain
from enum import StrEnum
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict

MIX = Path(__file__).with_suffix(".yaml")
NO_INCIDENT = "none"


class Needs(StrEnum):
    """The right answer to an event."""

    REPAIR = "repair"
    PERSON = "person"
    NOTHING = "nothing"


class Kind(BaseModel):
    """One kind of fault or alert. The fields are explained in the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    count: int
    source: Literal["triggers", "noise"]
    needs: Needs
    ends: tuple[str, ...]
    actions: tuple[str, ...] = ()
    alert: str = ""
    severity: str = ""
    after: float = 0
    slow: bool = False


class Event(BaseModel):
    """One fault or alert of the day: the service that has it, and the second at which it begins."""

    model_config = ConfigDict(frozen=True)

    number: int
    kind: Kind
    service: int
    second: float


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kinds: tuple[Kind, ...]


def load(path: Path = MIX) -> tuple[Kind, ...]:
    """The kinds of a file. Raises pydantic.ValidationError, which names a field that is wrong."""
    return _File.model_validate(yaml.safe_load(path.read_text())).kinds


def share_out(kinds: tuple[Kind, ...], events: int) -> list[Kind]:
    """So many events in the proportions of the mix, by the largest remainder; among equals the first kind wins."""
    total = sum(kind.count for kind in kinds)
    exact = [kind.count * events / total for kind in kinds]
    counts = [int(share) for share in exact]
    by_rest = sorted(range(len(kinds)), key=lambda number: counts[number] - exact[number])
    for number in by_rest[: events - sum(counts)]:
        counts[number] += 1
    return [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]


def draw(kinds: tuple[Kind, ...], events: int, minutes: float, services: int, seed: int) -> list[Event]:
    """A day within so many minutes, in order; each event has a service of its own, slow ones begin in the first half.

    Raises ValueError when there are more events than services.
    """
    rng = random.Random(seed)
    chosen = share_out(kinds, events)
    rng.shuffle(chosen)
    places = rng.sample(range(services), events)
    seconds = [rng.uniform(0, 60 * minutes / (2 if kind.slow else 1)) for kind in chosen]
    rows = sorted(zip(seconds, places, chosen, strict=True), key=lambda row: row[:2])
    return [
        Event(number=number, kind=kind, service=service, second=second)
        for number, (second, service, kind) in enumerate(rows)
    ]
