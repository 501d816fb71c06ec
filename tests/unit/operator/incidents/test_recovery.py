"""The fault of a closed incident, and the note that it is gone."""

from datetime import UTC, datetime, timedelta

import pytest
from fakes.kube import FakeRest, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set

from prunella_operator import clock
from prunella_operator.incidents import recovery
from prunella_operator.incidents.deduplication import REOPEN_WINDOW
from prunella_operator.incidents.recovery import RecoveryRecorder
from prunella_operator.kubernetes import paths
from prunella_workflows.model.errors import Conflict, Forbidden
from prunella_workflows.model.labels import FAULT, RECOVERED_AT

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
CRASHED = {"lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-11-24T11:45:00Z"}}}


@pytest.fixture(autouse=True)
def now(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(recovery, "_CHECK_INTERVAL_SECONDS", 0.0)


@pytest.fixture
def rest():
    rest = FakeRest()
    a_cluster(rest.kube, a_deployment(), [a_replica_set(1)], [a_pod("web-a"), a_pod("web-b")])
    closed(rest)
    return rest


def closed(rest, name="web-1", *, target="Deployment/web", phase="Escalated", ago=timedelta(hours=3), **status):
    """An incident that was closed so long ago."""
    at = (NOW - ago).isoformat()
    meta = {"namespace": "shop", "creationTimestamp": at, "annotations": {FAULT: "f"}}
    status = {"phase": phase, "target": target, "times": {"closedAt": at}, **status}
    rest.kube.put(paths.incidents("shop", name), {"metadata": meta}, **status)


def put_pod(rest, **values):
    rest.kube.put(paths.core("shop", "pods", "web-a"), a_pod("web-a", **values))


async def is_noted(rest, name="web-1"):
    await RecoveryRecorder(rest).sweep()
    return RECOVERED_AT in rest.kube.objects[paths.incidents("shop", name)]["metadata"]["annotations"]


async def test_pods_that_have_been_well_for_long_have_recovered(rest):
    assert await is_noted(rest)


async def test_it_is_noted_once(rest):
    await RecoveryRecorder(rest).sweep()
    await RecoveryRecorder(rest).sweep()
    assert len(rest.kube.writes) == 1


@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"ready_since": None}, id="not ready"),
        pytest.param({"ready_since": "2026-11-24T11:45:00Z"}, id="not for long"),
        pytest.param({"status": CRASHED}, id="crashed not long ago"),
    ],
)
async def test_until_then_the_fault_goes_on(rest, values):
    put_pod(rest, **values)
    assert not await is_noted(rest)


@pytest.mark.parametrize("status", [{"availableReplicas": 1}, {"updatedReplicas": 1}])
async def test_an_incomplete_rollout_is_no_recovery(rest, status):
    rest.kube.put(paths.workload(WEB), a_deployment(status=status))
    assert not await is_noted(rest)


async def test_one_scaled_to_zero_has_not_recovered(rest):
    rest.kube.put(paths.workload(WEB), a_deployment(replicas=0))
    for name in ("web-a", "web-b"):
        del rest.kube.objects[paths.core("shop", "pods", name)]
    assert not await is_noted(rest)


async def test_pods_that_looked_well_at_the_end_must_stay_so(rest):
    """An incident about load ends with healthy pods."""
    closed(rest, ago=REOPEN_WINDOW - timedelta(seconds=1))
    assert not await is_noted(rest)


async def test_with_the_workload_its_fault_is_gone(rest):
    del rest.kube.objects[paths.workload(WEB)]
    assert await is_noted(rest)


@pytest.mark.parametrize(("kind", "field"), [("CronJob", "lastSuccessfulTime"), ("Job", "completionTime")])
@pytest.mark.parametrize(("hours", "recovered"), [(2, True), (4, False)])
async def test_what_runs_to_completion_has_recovered_with_its_next_success(rest, kind, field, hours, recovered):
    status = {field: (NOW - timedelta(hours=hours)).isoformat()}
    rest.kube.put(f"{paths.collection(kind, 'shop')}/nightly", {"metadata": {"namespace": "shop"}}, **status)
    closed(rest, target=f"{kind}/nightly")
    assert await is_noted(rest) is recovered


async def test_open_and_solved_ones_cost_nothing(rest):
    closed(rest, phase="Verifying")
    closed(rest, "web-2", phase="Healed")
    await RecoveryRecorder(rest).sweep()
    assert (len(rest.kube.requests), rest.kube.writes) == (1, [])


async def test_one_that_changed_since_is_looked_at_again_later(rest):
    rest.kube.before = failing(Conflict("modified"), method="PATCH")
    assert not await is_noted(rest)
    assert await is_noted(rest)


async def test_a_workload_that_may_not_be_read_does_not_stop_the_others(rest):
    rest.kube.put(
        f"{paths.collection('Deployment', 'shop')}/api", {**a_deployment(), "metadata": {"namespace": "shop"}}
    )
    closed(rest, "api-1", target="Deployment/api")
    rest.kube.before = failing(Forbidden("no"), part="/deployments/api")
    assert await is_noted(rest)
