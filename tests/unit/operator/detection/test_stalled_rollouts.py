"""Stalled rollouts: a workload without progress toward its desired state is reported once, after a while."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fakes.apiserver import FakeApi

from prunella_operator.detection.rollouts import (
    DAEMON_SETS,
    STATEFUL_SETS,
    DaemonRollout,
    Rollout,
    RolloutSource,
)
from prunella_operator.detection.stalled_rollouts import STALL_TIMEOUT

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)


REFUSED_STALL_TIMEOUT = {
    "type": "ReplicaFailure",
    "status": "True",
    "reason": "FailedCreate",
    "message": "exceeded quota",
}


def stateful(*, generation=1, conditions=(), wanted=3, updated=3, available=3, paused=False, strategy=None, **meta):
    return msgspec.convert(
        {
            "metadata": {"name": "web", "namespace": "shop", "uid": "s-1", "resourceVersion": "1"}
            | {"generation": generation, **meta},
            "spec": {"replicas": wanted, "paused": paused, "updateStrategy": strategy or {}},
            "status": {
                "observedGeneration": generation,
                "replicas": 3,
                "updatedReplicas": updated,
                "availableReplicas": available,
                "conditions": list(conditions),
            },
        },
        Rollout,
    )


def daemon(wanted=2, available=1, updated=2, strategy="RollingUpdate"):
    return msgspec.convert(
        {
            "metadata": {"name": "web", "namespace": "shop", "uid": "d-1", "resourceVersion": "1", "generation": 1},
            "spec": {"updateStrategy": {"type": strategy}},
            "status": {
                "observedGeneration": 1,
                "desiredNumberScheduled": wanted,
                "currentNumberScheduled": 2,
                "updatedNumberScheduled": updated,
                "numberAvailable": available,
            },
        },
        DaemonRollout,
    )


def parted(partition):
    return {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}


def reported(*views, resource=STATEFUL_SETS):
    """The reports after all these views, a minute apart, each followed by a check."""
    signals = []
    source = RolloutSource(FakeApi().access, resource, signals.append, lambda *_: None)
    for minute, view in enumerate(views):
        now = START + timedelta(minutes=minute)
        if view == "gone":
            source.on_delete("s-1", now)
        elif view is not None:
            source.on_upsert(view, now)
        source._stalled.report_due(now)
    return [(signal.reason, signal.fault_at) for signal in signals]


@pytest.mark.parametrize(
    ("views", "since"),
    [
        pytest.param([stateful(updated=1, available=2), None], None, id="not yet"),
        pytest.param([stateful(updated=1, available=2), None, None, None], 0, id="reported once"),
        pytest.param(
            [stateful(available=2, conditions=[REFUSED_STALL_TIMEOUT]), None],
            0,
            id="what is refused needs no time to start",
        ),
        pytest.param([stateful(available=1), stateful(available=2), None], None, id="it goes on"),
        pytest.param([stateful(available=1), stateful(available=2), None, None], 1, id="it goes on and then stops"),
        pytest.param([stateful(available=2), stateful(available=2), None], 0, id="seen again is no progress"),
        pytest.param([stateful(available=2), stateful(), None, None], None, id="complete"),
        pytest.param([stateful(), None, None, None], None, id="always complete"),
        pytest.param([stateful(available=2), "gone", None, None], None, id="deleted"),
        pytest.param([stateful(available=2, deletionTimestamp=START.isoformat()), None, None], None, id="going"),
        pytest.param([stateful(wanted=0), None, None], None, id="scaled to zero"),
        pytest.param([stateful(available=2, paused=True), None, None], None, id="paused"),
        pytest.param([stateful(available=2), stateful(available=2, generation=2), None], None, id="another wish"),
        pytest.param([stateful(updated=2, strategy=parted(1)), None, None], None, id="a partition holds one pod"),
        pytest.param([stateful(updated=1, strategy=parted(1)), None, None], 0, id="a pod that no partition holds"),
        pytest.param([stateful(updated=0, strategy={"type": "OnDelete"}), None, None], None, id="the owner's turn"),
        pytest.param([stateful(available=2, strategy={"type": "OnDelete"}), None, None], 0, id="a pod is missing"),
    ],
)
def test_when_it_is_reported(views, since):
    expected = [] if since is None else [("NoProgress", START + timedelta(minutes=since))]
    assert reported(*views) == expected
    assert timedelta(minutes=2) == STALL_TIMEOUT


def test_daemon_sets_too():
    assert len(reported(daemon(), None, None, resource=DAEMON_SETS)) == 1
    assert reported(daemon(available=2), None, None, resource=DAEMON_SETS) == []
    assert len(reported(daemon(available=2, updated=1), None, None, resource=DAEMON_SETS)) == 1
    assert reported(daemon(available=2, updated=1, strategy="OnDelete"), None, None, resource=DAEMON_SETS) == []
    assert reported(daemon(wanted=0), None, None, resource=DAEMON_SETS) == []
