"""Detect the faults that the objects of a dump show, by the sources that watch a cluster."""

from collections.abc import Iterator
from typing import TypeVar

from msgspec import ValidationError, convert

from prunella_operator.detection.jobs import JOBS, JobSource
from prunella_operator.detection.pods import PODS, PodSource
from prunella_operator.detection.rollouts import (
    DAEMON_SETS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    DaemonRollout,
    Rollout,
    RolloutSource,
)
from prunella_operator.detection.stalled_rollouts import STALL_TIMEOUT
from prunella_operator.json_text import InvalidFile
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.dump.files import Dump, ResourceId
from prunella_operator.kubernetes.watch.resource import Observed, Resource
from prunella_workflows.model.signal import Signal

_NO_SERVER = Access(server="")
T = TypeVar("T", bound=Observed)
R = TypeVar("R", Rollout, DaemonRollout)


def find_signals(dump: Dump) -> list[Signal]:
    """The signals of all pods, Jobs and rollouts.

    Raises:
        InvalidFile: an object does not have the fields of its kind; the message names its place.
    """
    return [
        *_of_pods(dump),
        *_of_jobs(dump),
        *_of_rollouts(dump, DEPLOYMENTS),
        *_of_rollouts(dump, STATEFUL_SETS),
        *_of_rollouts(dump, DAEMON_SETS),
    ]


def _of_pods(dump: Dump) -> list[Signal]:
    signals: list[Signal] = []
    source = PodSource(_NO_SERVER, signals.append)
    for pod in _decoded(dump, PODS):
        source.on_upsert(pod, dump.at)
    source.report_due(dump.at)
    return signals


def _of_jobs(dump: Dump) -> list[Signal]:
    signals: list[Signal] = []
    source = JobSource(_NO_SERVER, signals.append)
    for job in _decoded(dump, JOBS):
        source.on_upsert(job, dump.at)
    return signals


def _of_rollouts(dump: Dump, resource: Resource[R]) -> list[Signal]:
    """A rollout that is incomplete counts as stalled: whether it may still be starting is judged by its pods."""
    signals: list[Signal] = []
    source = RolloutSource(_NO_SERVER, resource, signals.append, _ignore)
    for rollout in _decoded(dump, resource):
        source.on_upsert(rollout, dump.at - STALL_TIMEOUT)
    source.report_due(dump.at)
    return signals


def _ignore(*_: object) -> None:
    """Record no known-good revision."""


def _decoded(dump: Dump, resource: Resource[T]) -> Iterator[T]:
    version = resource.group.removeprefix("/apis/").removeprefix("/api/")
    for found in dump.of(ResourceId(version, resource.plural)).values():
        try:
            yield convert(found.raw, resource.into)
        except ValidationError as error:
            raise InvalidFile(f"{found.place}: {error}") from error
