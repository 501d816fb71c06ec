"""Unready pods: a pod that was ready and no longer is, is reported once, after a while; a starting pod is not."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from prunella_operator.detection.pod_status import Pod
from prunella_operator.detection.unready_pods import UNREADY_TIMEOUT, UnreadyPodTracker

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


def a_pod(*, ready="False", since=60, state=None, phase="Running", containers_ready=False, **meta):
    """A pod that started at START and whose readiness changed `since` seconds later."""
    return msgspec.convert(
        {
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "p-1", "resourceVersion": "1", **meta},
            "status": {
                "phase": phase,
                "startTime": START.isoformat(),
                "conditions": [
                    {
                        "type": "Ready",
                        "status": ready,
                        "lastTransitionTime": (START + timedelta(seconds=since)).isoformat(),
                    }
                ],
                "containerStatuses": [{"name": "server", "ready": containers_ready, "state": state or {"running": {}}}],
            },
        },
        Pod,
    )


def reported(*pods, looks=(89, 91, 200)):
    """The reasons reported at these seconds after START, after all these views of the pod."""
    signals = []
    tracker = UnreadyPodTracker(signals.append)
    for pod in pods:
        tracker.update(pod, START)
    result = []
    for seconds in looks:
        tracker.report_due(START + timedelta(seconds=seconds))
        result.append(len(signals))
    return result


@pytest.mark.parametrize(
    ("pods", "expected"),
    [
        pytest.param([a_pod()], [0, 1, 1], id="reported once, after the timeout"),
        pytest.param([a_pod(), a_pod()], [0, 1, 1], id="seen twice is reported once"),
        pytest.param([a_pod(since=2)], [0, 0, 0], id="a pod that never was ready is still starting"),
        pytest.param([a_pod(ready="True")], [0, 0, 0], id="a ready pod"),
        pytest.param([a_pod(), a_pod(ready="True", since=70)], [0, 0, 0], id="it answers again in time"),
        pytest.param([a_pod(phase="Pending")], [0, 0, 0], id="a pod that does not run"),
        pytest.param(
            [a_pod(state={"waiting": {"reason": "CrashLoopBackOff"}})], [0, 0, 0], id="a crash is reported elsewhere"
        ),
        pytest.param([a_pod(deletionTimestamp=START.isoformat())], [0, 0, 0], id="a pod on its way out"),
    ],
)
def test_reported(pods, expected):
    assert reported(*pods) == expected


def test_a_second_unready_period_of_the_same_pod_is_reported_again():
    signals = []
    tracker = UnreadyPodTracker(signals.append)
    for since in (60, 300):
        tracker.update(a_pod(since=since), START)
        tracker.report_due(START + timedelta(seconds=since) + UNREADY_TIMEOUT)
        tracker.update(a_pod(ready="True", since=since + 100), START)

    assert [signal.type for signal in signals] == ["ProbeFailure", "ProbeFailure"]
    assert signals[0].fault_at == START + timedelta(seconds=60)


def test_a_pod_that_is_gone_is_forgotten():
    signals = []
    tracker = UnreadyPodTracker(signals.append)
    tracker.update(a_pod(), START)
    tracker.forget("p-1")
    tracker.report_due(START + timedelta(hours=1))

    assert signals == []


def test_a_pod_of_a_lost_node_does_not_hang():
    assert reported(a_pod(state={"running": {}}, containers_ready=True)) == [0, 0, 0]
