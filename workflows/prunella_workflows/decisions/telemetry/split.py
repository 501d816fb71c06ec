"""The part of a workload that is bad: its new pods only, one pod, one node, or all."""

import math
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from prunella_workflows.decisions.telemetry.windows import Pod
from prunella_workflows.model.telemetry import Split, SplitKind

_REQUESTS = 20  # on each side of a comparison
_SIGNIFICANT = 4.0  # standard deviations: below 0.0001 by chance, for a hundred pods below 0.01
_FACTOR = 2.0
_LEFT = 0.2  # of the excess, that the others may have
_COVERED = 0.8  # of the requests, that are on bad pods if all are


class PodShare(NamedTuple):
    """The requests of one pod since the onset, and the bad ones."""

    pod: Pod
    total: int
    bad: int


class Part(NamedTuple):
    """A split, and its bad pods."""

    split: Split
    uids: tuple[str, ...] = ()


def find_split(pods: Iterable[PodShare], normal: float, first_seen: Mapping[str, int]) -> Part:
    """Compare each group of pods with the others by a test of two proportions; `normal` is the learnt share of bad.

    `first_seen` are the templates' times. A group that is bad must explain the excess: the others are near the normal
    share. Groups are tried from the most specific cause on: a template, a pod, a node. Where two fit, as for one new
    pod on a node of its own, the first is named.
    """
    known = [pod for pod in pods if pod.total]
    for kind, groups in _groupings(known, first_seen):
        for name, group in groups.items():
            if _stands_out(group, [pod for pod in known if pod not in group], normal):
                return Part(Split(kind=kind, name=name), tuple(pod.pod.uid for pod in group))
    return _all(known, normal)


def _groupings(
    pods: list[PodShare], first_seen: Mapping[str, int]
) -> Iterable[tuple[SplitKind, dict[str, list[PodShare]]]]:
    templates = _grouped(pods, [pod.pod.template for pod in pods])
    times = sorted((first_seen.get(name, 0), name) for name in templates)
    if len(times) > 1 and times[-1][0] > times[-2][0]:
        newest = times[-1][1]
        yield SplitKind.NEW_PODS, {newest: templates[newest]}
    yield SplitKind.ONE_POD, _grouped(pods, [pod.pod.uid for pod in pods])
    yield SplitKind.ONE_NODE, _grouped(pods, [pod.pod.node for pod in pods])


def _grouped(pods: list[PodShare], names: list[str]) -> dict[str, list[PodShare]]:
    groups: dict[str, list[PodShare]] = {}
    for name, pod in zip(names, pods, strict=True):
        if name:
            groups.setdefault(name, []).append(pod)
    return groups


def _stands_out(group: list[PodShare], others: list[PodShare], normal: float) -> bool:
    """Report whether this group is bad and the others are as good as normal, by enough requests of both."""
    total, bad = _sum(group)
    rest, rest_bad = _sum(others)
    if min(total, rest) < _REQUESTS:
        return False
    share, rest_share = bad / total, rest_bad / rest
    pooled = (bad + rest_bad) / (total + rest)
    deviation = math.sqrt(pooled * (1 - pooled) * (1 / total + 1 / rest))
    excess = max(0.0, share - normal)
    return (
        share - rest_share > _SIGNIFICANT * deviation
        and share > _FACTOR * rest_share
        and rest_share - normal <= _LEFT * excess
        and all(_is_bad(pod, normal) for pod in group if pod.total >= _REQUESTS)
    )


def _all(pods: list[PodShare], normal: float) -> Part:
    """All, where several pods are bad and have nearly all requests; else it is unknown, and the bad pods are named."""
    bad = [pod for pod in pods if pod.total >= _REQUESTS and _is_bad(pod, normal)]
    total, _ = _sum(pods)
    covered, _ = _sum(bad)
    everywhere = len(bad) > 1 and covered >= _COVERED * total
    split = Split(kind=SplitKind.ALL) if everywhere else Split()
    return Part(split, tuple(pod.pod.uid for pod in bad if pod.pod.uid))


def _is_bad(pod: PodShare, normal: float) -> bool:
    """Report whether the share of bad requests is above the normal one by three standard deviations."""
    expected = pod.total * normal
    return pod.bad - expected > 3 * math.sqrt(max(1.0, expected * (1 - normal)))


def _sum(pods: list[PodShare]) -> tuple[int, int]:
    return sum(pod.total for pod in pods), sum(pod.bad for pod in pods)
