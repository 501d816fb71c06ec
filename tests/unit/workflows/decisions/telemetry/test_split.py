"""The part of a workload that is bad."""

import pytest

from prunella_workflows.decisions.telemetry.split import PodShare, find_split
from prunella_workflows.decisions.telemetry.windows import Pod
from prunella_workflows.model.telemetry import SplitKind

NORMAL = 0.01


def split(*pods, first_seen=None):
    """Pods as (uid, node, template, requests, bad)."""
    shares = [PodShare(Pod(uid, node, template), total, bad) for uid, node, template, total, bad in pods]
    return find_split(shares, NORMAL, first_seen or {"old": 1, "new": 2})


def four(*bad, requests=100):
    """Two pods on each of two nodes, with so many bad requests."""
    places = ("n1", "n1", "n2", "n2")
    return [(f"p{number}", places[number], "old", requests, count) for number, count in enumerate(bad)]


@pytest.mark.parametrize(
    ("bad", "kind", "name", "uids"),
    [
        ((30, 1, 1, 1), SplitKind.ONE_POD, "p0", ("p0",)),
        ((30, 25, 1, 1), SplitKind.ONE_NODE, "n1", ("p0", "p1")),
        ((30, 25, 28, 31), SplitKind.ALL, "", ("p0", "p1", "p2", "p3")),
        ((30, 1, 25, 1), SplitKind.UNKNOWN, "", ("p0", "p2")),
        ((2, 1, 0, 1), SplitKind.UNKNOWN, "", ()),
    ],
)
def test_pods_nodes_all(bad, kind, name, uids):
    part = split(*four(*bad))
    assert (part.split.kind, part.split.name, part.uids) == (kind, name, uids)


def test_only_the_new_pods():
    old = [("p0", "n1", "old", 100, 1), ("p1", "n2", "old", 100, 1)]
    new = [("p2", "n1", "new", 60, 20), ("p3", "n2", "new", 60, 15)]
    part = split(*old, *new)
    assert (part.split.kind, part.split.name, part.uids) == (SplitKind.NEW_PODS, "new", ("p2", "p3"))


def test_one_new_pod_is_the_release():
    assert split(*four(1, 1, 1, 1)[:3], ("p9", "n3", "new", 60, 20)).split.kind is SplitKind.NEW_PODS


def test_one_of_the_new_pods_is_not_the_release():
    part = split(*four(1, 1, 1, 1)[:2], ("p8", "n3", "new", 60, 30), ("p9", "n4", "new", 60, 0))
    assert (part.split.kind, part.split.name) == (SplitKind.ONE_POD, "p8")


def test_old_pods_are_bad():
    part = split(
        ("p0", "n1", "old", 100, 30),
        ("p1", "n2", "old", 100, 28),
        ("p8", "n3", "new", 60, 0),
        ("p9", "n4", "new", 60, 0),
    )
    assert part.split.kind is SplitKind.UNKNOWN


def test_two_templates_of_the_same_age_are_no_release():
    pods = [("p0", "n1", "blue", 100, 1), ("p1", "n1", "green", 100, 30)]
    part = split(*pods, first_seen={"blue": 1, "green": 1})
    assert (part.split.kind, part.split.name) == (SplitKind.ONE_POD, "p1")


@pytest.mark.parametrize("requests", [0, 5, 19])
def test_too_few_requests_on_one_side(requests):
    assert split(("p0", "n1", "old", 500, 150), ("p1", "n2", "old", requests, 0)).split.kind is SplitKind.UNKNOWN


def test_one_pod_alone_says_nothing():
    part = split(("p0", "n1", "old", 500, 150))
    assert (part.split.kind, part.uids) == (SplitKind.UNKNOWN, ("p0",))


def test_pods_without_names_are_no_group():
    assert split(("", "", "", 500, 150), ("", "", "", 500, 1)).split.kind is SplitKind.UNKNOWN
