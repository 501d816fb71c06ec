"""Does a container leak? Its memory then grows steadily up to its limit, in each of its lives.

More memory than the limit is also needed by a program that loads its data at the start, but that one is at the limit
within moments or in one step: a life that was short, or that grew in leaps, is no sign of a leak.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from prunella_workflows.model.measurement import Reading, Series
from prunella_workflows.model.workload import PodView

_LEAST = timedelta(minutes=3)
"""A life must have been seen for this long to tell steady growth from a start."""

_NEAR = 0.75
"""How near the limit the last reading must be: the last one may be up to a minute before the kill."""

_RISE = 0.25
"""How much of the limit a life must have grown by."""

_FALLS = 0.1
"""Which part of the rise it may lose again on the way: a collector frees a little."""

_HALFWAY = (0.25, 0.75)
"""How much of the rise must be there after half of the time: a leap is not steady."""

_NEW_LIFE = 0.5
"""A fall below this part is a restart, where container ids are not kept."""


def growing(container: str, pods: Iterable[PodView], found: Iterable[Series]) -> bool:
    """Whether every life of this container that was seen long enough, and there was one, grew up to its limit.

    `found` are the working sets of these pods' containers; the life that goes on now has no end to judge it by.
    """
    limits = {pod.name: pod.memory_limits.get(container, 0) for pod in pods}
    running = {pod.name: _running_since(container, pod) for pod in pods}
    judged: list[bool] = []
    for one in found:
        pod = one.labels.get("pod", "")
        if one.labels.get("container") == container and limits.get(pod):
            ended = [each for each in one.readings if _is_before(each, running[pod])]
            judged += [_grew(life, limits[pod]) for life in _lives(ended) if _long(life)]
    return bool(judged) and all(judged)


def _running_since(container: str, pod: PodView) -> datetime | None:
    return next((one.running_since for one in pod.containers if one.name == container), None)


def _is_before(reading: Reading, moment: datetime | None) -> bool:
    return moment is None or reading.at < moment


def _lives(readings: Sequence[Reading]) -> Iterator[list[Reading]]:
    """The readings, parted where the memory fell as only a restart makes it fall; each without its first, the start."""
    life: list[Reading] = []
    for reading in readings:
        if life and reading.value < _NEW_LIFE * life[-1].value:
            yield life[1:]
            life = []
        life.append(reading)
    yield life[1:]


def _long(life: Sequence[Reading]) -> bool:
    return len(life) > 1 and life[-1].at - life[0].at >= _LEAST


def _grew(life: Sequence[Reading], limit: int) -> bool:
    values = [one.value for one in life]
    rise = values[-1] - values[0]
    if values[-1] < _NEAR * limit or rise < _RISE * limit:
        return False
    falls = sum(max(0.0, before - after) for before, after in pairwise(values))
    middle = life[0].at + (life[-1].at - life[0].at) / 2
    halfway = (next(one.value for one in life if one.at >= middle) - values[0]) / rise
    return falls <= _FALLS * rise and _HALFWAY[0] <= halfway <= _HALFWAY[1]
