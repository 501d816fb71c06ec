"""Rollouts: unfinished ones are reported, finished ones are settled."""

from datetime import UTC, datetime

import msgspec
import pytest
from fakes.apiserver import FakeApi

from prunella_operator.detection.rollouts import (
    DAEMON_SETS,
    DEPLOYMENTS,
    STATEFUL_SETS,
    DaemonRollout,
    Rollout,
    RolloutSource,
)

NOW = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
LATE = {
    "type": "Progressing",
    "status": "False",
    "reason": "ProgressDeadlineExceeded",
    "message": 'ReplicaSet "web-7" has timed out progressing.',
    "lastTransitionTime": "2026-11-24T09:58:00Z",
}


def deployment(
    generation=1, *, observed=None, wanted=3, have=3, updated=3, available=3, late=False, paused=False, **meta
):
    return {
        "metadata": {"name": "web", "namespace": "shop", "uid": "d-1", "resourceVersion": "1", **meta}
        | {"generation": generation},
        "spec": {"replicas": wanted, "paused": paused},
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "replicas": have,
            "updatedReplicas": updated,
            "availableReplicas": available,
            "conditions": [LATE] if late else [{"type": "Progressing", "status": "True", "reason": "Whatever"}],
        },
    }


def film(*views):
    """For each view what was reported: whether it has just settled, and reasons of signals."""
    reported = []
    source = RolloutSource(
        FakeApi().access,
        DEPLOYMENTS,
        lambda signal: reported.append(signal.reason),
        lambda kind, namespace, name, uid, just: reported.append(f"{namespace}/{name} {uid} {just}"),
    )
    result = []
    for body in views:
        source.on_upsert(msgspec.convert(body, Rollout), NOW)
        result.append(tuple(reported))
        reported.clear()
    return result


BEFORE, JUST = "shop/web d-1 False", "shop/web d-1 True"
STUCK = deployment(2, have=4, updated=1, late=True)
CASES = {
    "a rollout that was complete before the watch is reported once": ([deployment()] * 2, [(BEFORE,), ()]),
    "one that has just been completed is reported as such": ([deployment(updated=2), deployment()], [(), (JUST,)]),
    "each generation is reported": ([deployment(), deployment(2)], [(BEFORE,), (JUST,)]),
    "one that was incomplete is reported again": (
        [deployment(), deployment(available=1), deployment()],
        [(BEFORE,), (), (JUST,)],
    ),
    "a minority that is not available does not count": ([deployment(available=2)], [(BEFORE,)]),
    "half of the pods are no majority": ([deployment(wanted=2, have=2, updated=2, available=1)], [()]),
    "not before the controller has seen the change": ([deployment(2, observed=1)], [()]),
    "not while old pods remain": ([deployment(have=4)], [()]),
    "not while new pods are missing": ([deployment(updated=2)], [()]),
    "not at zero replicas": ([deployment(wanted=0, have=0, updated=0, available=0)], [()]),
    "not while it is deleted": ([deployment(deletionTimestamp="2026-11-24T09:58:00Z")], [()]),
    "a rollout past its deadline is reported once for its generation": (
        [STUCK, STUCK, deployment(3, observed=2, have=4, updated=1, late=True)],
        [("ProgressDeadlineExceeded",), (), ()],
    ),
    "and again for the next": (
        [STUCK, deployment(3, have=4, updated=1), deployment(3, have=4, updated=1, late=True)],
        [("ProgressDeadlineExceeded",), (), ("ProgressDeadlineExceeded",)],
    ),
    "a paused rollout is not late": ([deployment(2, have=4, updated=1, late=True, paused=True)], [()]),
    "nor one that is deleted": (
        [deployment(2, have=4, updated=1, late=True, deletionTimestamp="2026-11-24T09:58:00Z")],
        [()],
    ),
}


@pytest.mark.parametrize(("views", "expected"), CASES.values(), ids=CASES)
def test_what_is_reported(views, expected):
    assert film(*views) == expected


def test_a_signal_says_all_that_is_known():
    emitted = []
    source = RolloutSource(FakeApi().access, DEPLOYMENTS, emitted.append, lambda *_: None)
    source.on_upsert(
        msgspec.convert(deployment(late=True, have=4, annotations={"prunella.dev/ignore": "true"}), Rollout), NOW
    )
    (signal,) = emitted

    assert (signal.type, signal.kind, signal.name, signal.uid) == ("Unavailable", "Deployment", "web", "d-1")
    assert (signal.owner, signal.ignored, signal.message) == (None, True, LATE["message"])
    assert signal.fault_at == datetime(2026, 11, 24, 9, 58, tzinfo=UTC)


def test_a_deployment_that_is_gone_is_forgotten():
    reported = []
    source = RolloutSource(FakeApi().access, DEPLOYMENTS, lambda _: None, lambda *what: reported.append(what))
    body = msgspec.convert(deployment(), Rollout)
    source.on_upsert(body, NOW)
    source.on_delete("d-1", NOW)
    source.on_upsert(body, NOW)

    assert len(reported) == 2


class Listener:
    """Another handler of the same watch."""

    def __init__(self):
        self.heard = []

    def on_upsert(self, obj, _at):
        self.heard.append((obj.metadata.name, obj.metadata.labels))

    def on_delete(self, uid, _at):
        self.heard.append(uid)


def test_others_hear_of_the_same_objects_with_all_their_labels():
    other = Listener()
    source = RolloutSource(FakeApi().access, DEPLOYMENTS, lambda _: None, lambda *_: None, others=(other,))
    source.on_upsert(msgspec.convert(deployment(labels={"app": "web", "tier": "front"}), Rollout), NOW)
    source.on_delete("d-1", NOW)
    assert other.heard == [("web", {"app": "web", "tier": "front"}), "d-1"]


def test_a_deployment_with_hardly_any_fields_is_no_trouble():
    assert film({"metadata": {"name": "web", "uid": "d-1", "resourceVersion": "1"}}) == [()]


def daemon(wanted=3, current=3, updated=3, available=3):
    return {
        "metadata": {"name": "agent", "namespace": "shop", "uid": "s-1", "resourceVersion": "1", "generation": 1},
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": wanted,
            "currentNumberScheduled": current,
            "updatedNumberScheduled": updated,
            "numberAvailable": available,
        },
    }


@pytest.mark.parametrize(
    ("body", "settled"),
    [
        pytest.param(daemon(), True, id="every node has an available pod of this revision"),
        pytest.param(daemon(updated=2), False, id="one node still has the old revision"),
        pytest.param(daemon(available=2), True, id="one node of three is not ready"),
        pytest.param(daemon(available=1), False, id="most pods are not available"),
        pytest.param(daemon(0, 0, 0, 0), False, id="no node wants it, so nothing is proven"),
    ],
)
def test_a_daemon_set_is_settled_when(body, settled):
    reported = []
    source = RolloutSource(FakeApi().access, DAEMON_SETS, reported.append, lambda *what: reported.append(what))
    source.on_upsert(msgspec.convert(body, DaemonRollout), NOW)

    assert reported == ([("DaemonSet", "shop", "agent", "s-1", False)] if settled else [])


def test_a_stateful_set_settles_like_a_deployment():
    reported = []
    source = RolloutSource(FakeApi().access, STATEFUL_SETS, reported.append, lambda *what: reported.append(what))
    source.on_upsert(msgspec.convert(deployment(), Rollout), NOW)

    assert reported == [("StatefulSet", "shop", "web", "d-1", False)]
