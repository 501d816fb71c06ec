"""Poison: the few records among many with which a piece of work fails."""

from collections.abc import Callable
from typing import Protocol, Self, TypeVar


class Divisible(Protocol):
    """A sequence that can be cut."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Self: ...


T = TypeVar("T", bound=Divisible)
R = TypeVar("R")


def bisect(
    work: Callable[[T], R], records: T, errors: tuple[type[BaseException], ...], first: int = 0
) -> tuple[list[R], dict[int, str]]:
    """Do the work on as large parts of the records as it succeeds with.

    Return the results in order, and the error of each record with which it fails alone, by index (from `first` on).
    """
    if not len(records):
        return [], {}
    try:
        return [work(records)], {}
    except errors as error:
        if len(records) == 1:
            return [], {first: f"{type(error).__name__}: {error}"}
    middle = len(records) // 2
    results, dead = bisect(work, records[:middle], errors, first)
    more, others = bisect(work, records[middle:], errors, first + middle)
    return [*results, *more], {**dead, **others}
