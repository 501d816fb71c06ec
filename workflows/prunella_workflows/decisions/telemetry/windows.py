"""The input of detection: complete windows of 10 s, as the pipeline has aggregated them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from prunella_workflows.model.telemetry import ServiceRef

SECONDS = 10
"""The length of a window."""

Histogram = Mapping[int, int]
"""Counts of durations by bucket: bucket b has those of 2^(b/8) ms up to, and without, 2^((b+1)/8) ms."""


class Pod(NamedTuple):
    """A pod as its telemetry names it, with its node and the hash of its template. Empty: not said."""

    uid: str
    node: str = ""
    template: str = ""


@dataclass(frozen=True, slots=True)
class PodCounts:
    """The server spans of one pod: requests, those that failed, and their durations."""

    pod: Pod
    requests: int
    errors: int = 0
    durations: Histogram = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ServiceCounts:
    """The server spans of one service.

    `own_errors` counts all spans of the service that failed without a child that failed. `pods` splits the same
    requests. `traces` are a few ids of traces with failed or slow requests.
    """

    ref: ServiceRef
    requests: int
    errors: int = 0
    own_errors: int = 0
    durations: Histogram = field(default_factory=dict)
    pods: tuple[PodCounts, ...] = ()
    traces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EdgeCounts:
    """The calls of one service by another, by the callers' client spans.

    `errors` are calls that the caller saw fail, `lost` those without a server span, where a name says whom they were
    for. `gap_ms` is the sum of client minus server span over the others: network, queues and retries.
    """

    caller: ServiceRef
    callee: ServiceRef
    calls: int
    errors: int = 0
    gap_ms: float = 0.0
    lost: int = 0


@dataclass(frozen=True, slots=True)
class LogCounts:
    """The error logs of one service with one template, from which ids and numbers are masked."""

    ref: ServiceRef
    template: str
    records: int


class Resource(StrEnum):
    """A resource with a limit."""

    CPU = "cpu"
    MEMORY = "memory"


@dataclass(frozen=True, slots=True)
class GaugeSample:
    """The share of its limit that a pod uses, 0 to 1: the mean over the window."""

    ref: ServiceRef
    pod: Pod
    resource: Resource
    share: float


@dataclass(frozen=True, slots=True)
class Window:
    """All telemetry of the 10 s from `start` on. One without any rows is a gap: it says nothing about any service."""

    start: datetime
    services: tuple[ServiceCounts, ...] = ()
    edges: tuple[EdgeCounts, ...] = ()
    logs: tuple[LogCounts, ...] = ()
    gauges: tuple[GaugeSample, ...] = ()
