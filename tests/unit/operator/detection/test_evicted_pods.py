"""Evictions in a row, each of the replacement of the pod before, are reported; single ones and crowds are not."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fakes.pods import pod

from prunella_operator.detection.evicted_pods import EvictedPodTracker
from prunella_operator.detection.pod_status import Pod

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def evicted(minute, *, lived=2.0, reason="Evicted", owner="ReplicaSet", name=None, phase="Failed", **more):
    """A pod that was evicted at this minute, after it had lived for so many."""
    at = NOW + timedelta(minutes=minute)
    refs = [{"apiVersion": "apps/v1", "kind": owner, "name": "web-5d", "uid": "rs-1", "controller": True}]
    raw = pod(name or f"web-{minute}", phase=phase, reason=reason, ownerReferences=refs, **more)
    raw["status"]["startTime"] = (at - timedelta(minutes=lived)).isoformat()
    raw["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": at.isoformat()}]
    return msgspec.convert(raw, Pod), at


def reports(*seen):
    found = []
    tracker = EvictedPodTracker(found.append)
    for each, at in seen:
        tracker.on_upsert(each, at)
    return [(signal.reason, signal.name) for signal in found]


@pytest.mark.parametrize("owner", ["ReplicaSet", "StatefulSet", "DaemonSet"])
def test_the_third_in_a_row_is_reported_and_each_that_follows(owner):
    seen = [evicted(minute, owner=owner) for minute in (2, 5, 8, 11)]
    assert reports(*seen) == [("Evicted", "web-8"), ("Evicted", "web-11")]


def test_a_program_that_ends_well_when_its_pod_is_evicted_hides_no_eviction():
    seen = [evicted(2), evicted(5, phase="Succeeded", reason=""), evicted(8, phase="Succeeded", reason="")]
    assert reports(*seen) == [("Evicted", "web-8")]


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param([evicted(2)], id="one"),
        pytest.param([evicted(2), evicted(5)], id="two"),
        pytest.param([evicted(2 + number / 10) for number in range(9)], id="many at once, when a node lacks something"),
        pytest.param([evicted(2), evicted(5), evicted(5)], id="one that is seen again"),
        pytest.param([evicted(2), evicted(22), evicted(42)], id="few in a long time"),
        pytest.param([evicted(minute, owner="Job") for minute in (2, 5, 8)], id="tries of a Job"),
        pytest.param(
            [evicted(minute, phase="Succeeded", reason="", deletionTimestamp=NOW.isoformat()) for minute in (2, 5, 8)],
            id="pods that are deleted one after another",
        ),
        pytest.param([evicted(minute, reason="Shutdown") for minute in (2, 5, 8)], id="nodes that shut down"),
    ],
)
def test_others_are_left_alone(seen):
    assert reports(*seen) == []


def test_evictions_of_long_ago_are_history():
    assert reports(*((each, NOW + timedelta(hours=9)) for each, _ in map(evicted, (2, 5, 8)))) == []
