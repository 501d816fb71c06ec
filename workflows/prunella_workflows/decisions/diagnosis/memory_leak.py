"""Memory before a kill: leaks, and lifetimes that never came near the limit.

A leak is memory that grows steadily up to the container's limit, in each of its lifetimes. A lifetime that was short,
or grew in leaps, is no sign of a leak: the program may just have loaded its data.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from prunella_workflows.model.measurement import Reading, Series
from prunella_workflows.model.workload import PodView

_MIN_LIFETIME = timedelta(minutes=3)
"""A lifetime must have been observed for this long to tell steady growth from a start."""

_MIN_FINAL_SHARE = 0.75
"""The share of the limit that the last reading must reach: it may be up to a minute older than the kill."""

_MIN_RISE = 0.25
"""The share of the limit by which a lifetime must have grown."""

_MAX_FALLS = 0.1
"""The part of the rise that may be lost on the way: a garbage collector frees a little."""

_HALFWAY = (0.25, 0.75)
"""The part of the rise that must be there after half of the time: a leap is not steady."""

_LOW_SHARE = 0.5
"""The share of the limit below which memory is far from it."""

_RESTART_DROP = 0.5
"""A fall below this part of the last value is a restart, where container ids are not kept."""


def is_leaking(container: str, pods: Iterable[PodView], working_sets: Iterable[Series]) -> bool:
    """Report whether each ended lifetime of this container that was observed long enough (one or more) grew so."""
    lives = list(_long_lives(container, pods, working_sets))
    return bool(lives) and all(_grew_steadily(life, limit) for life, limit in lives)


def stayed_low(container: str, pods: Iterable[PodView], working_sets: Iterable[Series]) -> bool:
    """Report whether each ended lifetime of this container that was observed long enough stayed far below its limit."""
    lives = list(_long_lives(container, pods, working_sets))
    return bool(lives) and all(max(reading.value for reading in life) < _LOW_SHARE * limit for life, limit in lives)


def _long_lives(
    container: str, pods: Iterable[PodView], working_sets: Iterable[Series]
) -> Iterator[tuple[list[Reading], int]]:
    """The ended lifetimes that were observed long enough, each with the limit of its pod."""
    pods = tuple(pods)
    limits = {pod.name: pod.memory_limits.get(container, 0) for pod in pods}
    running = {pod.name: _running_since(container, pod) for pod in pods}
    for series in working_sets:
        pod = series.labels.get("pod", "")
        if series.labels.get("container") == container and limits.get(pod):
            end = running[pod]
            ended = [reading for reading in series.readings if end is None or reading.at < end]
            yield from ((life, limits[pod]) for life in _container_lifetimes(ended) if _is_long(life))


def _running_since(container: str, pod: PodView) -> datetime | None:
    return next((status.running_since for status in pod.containers if status.name == container), None)


def _container_lifetimes(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    """Split the readings where memory fell as only a restart makes it fall. Drop each lifetime's first, the start."""
    life: list[Reading] = []
    for reading in readings:
        if life and reading.value < _RESTART_DROP * life[-1].value:
            yield life[1:]
            life = []
        life.append(reading)
    yield life[1:]


def _is_long(life: Sequence[Reading]) -> bool:
    return len(life) > 1 and life[-1].at - life[0].at >= _MIN_LIFETIME


def _grew_steadily(life: Sequence[Reading], limit: int) -> bool:
    values = [reading.value for reading in life]
    rise = values[-1] - values[0]
    if values[-1] < _MIN_FINAL_SHARE * limit or rise < _MIN_RISE * limit:
        return False
    falls = sum(max(0.0, before - after) for before, after in pairwise(values))
    middle = life[0].at + (life[-1].at - life[0].at) / 2
    halfway = (next(reading.value for reading in life if reading.at >= middle) - values[0]) / rise
    return falls <= _MAX_FALLS * rise and _HALFWAY[0] <= halfway <= _HALFWAY[1]
