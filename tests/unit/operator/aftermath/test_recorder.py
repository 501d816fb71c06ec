"""The aftermath of observed incidents, read from a cluster and noted once."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes.aftermath import CLOSED, GOOD, UNDO, Shop, minute
from fakes.kube import FakeRest, failing
from fakes.objects import WEB

from prunella_operator import clock
from prunella_operator.aftermath import recorder
from prunella_operator.aftermath.plans import ShownPlan
from prunella_operator.aftermath.recorder import AftermathRecorder
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_operator.temporal.rpc import TemporalUnavailable
from prunella_workflows.model.errors import Conflict, Forbidden, InvalidIncident, Unavailable
from prunella_workflows.model.labels import FAULT_AT, WORKLOAD
from prunella_workflows.model.plan import Step

INCIDENT = paths.incidents("shop", "web-1")


class FakePlans:
    """Plans by uid; None: Temporal has forgotten them."""

    def __init__(self, shown=None):
        self.shown, self.reads, self.error = shown, 0, None

    async def read(self, uid):
        self.reads += 1
        if self.error:
            raise self.error
        return self.shown


class Watched:
    """An observed incident, the cluster, and the recorder."""

    def __init__(self, monkeypatch):
        self.rest = FakeRest()
        self.plans = FakePlans(ShownPlan(Step(action=UNDO), minute(-1), has_checks=False))
        self.records = WatchedTrackRecords(self.rest)
        self.recorder = AftermathRecorder(self.rest, self.plans, timedelta(hours=24), self.records)
        self.monkeypatch = monkeypatch
        self.put()

    def put(self, name="web-1", phase="DryRunDone", opened=-5, **status):
        meta = {"namespace": "shop", "creationTimestamp": minute(opened).isoformat()}
        meta["labels"] = {WORKLOAD: workload_key(WEB)}
        status = {"plan": "Roll back to revision 1", "times": {"closedAt": CLOSED.isoformat()}, **status}
        target = {"kind": "Deployment", "name": "web"}
        body = {"metadata": meta, "spec": {"type": "PodCrashLoop", "target": target}}
        self.rest.kube.put(paths.incidents("shop", name), body, phase=phase, target="Deployment/web", **status)

    def other(self, name):
        """The aftermath noted on another incident."""
        return self.rest.kube.objects[paths.incidents("shop", name)]["status"].get("aftermath")

    async def sweep(self, shop, at):
        self.monkeypatch.setattr(clock, "now", lambda: minute(at))
        after, objects = shop.look(at), self.rest.kube.objects
        for path in [path for path in objects if "/incidents/" not in path and "/configmaps/" not in path]:
            del objects[path]
        if after.workload is not None:
            self.rest.kube.put(paths.workload(WEB), after.workload)
        for plural, found in (
            (paths.collection("ReplicaSet", "shop"), after.revisions),
            (paths.core("shop", "pods"), after.pods),
        ):
            for raw in found:
                self.rest.kube.put(f"{plural}/{raw['metadata']['name']}", raw)
        await self.recorder.sweep()
        return self.rest.kube.objects[INCIDENT]["status"].get("aftermath")


@pytest.fixture
def watched(monkeypatch):
    monkeypatch.setattr(recorder, "_CHECK_INTERVAL_SECONDS", 0.0)
    return Watched(monkeypatch)


async def test_it_is_noted_once_and_as_soon_as_it_is_clear(watched):
    shop = Shop()
    assert await watched.sweep(shop, 10) is None
    shop.undo(23).works(24)
    assert await watched.sweep(shop, 30) is None
    noted = await watched.sweep(shop, 60)
    assert (noted["outcome"], noted["changedAt"]) == ("SameChange", "2026-11-24T12:23:00Z")
    await watched.sweep(shop, 90)
    assert len(watched.rest.kube.writes) == 1
    assert watched.plans.reads == 1


EARNED = {"action": "RestoreTemplate", "level": "Observe", "message": "", "successes": 0, "failures": 0}


async def test_a_plan_that_people_made_too_counts_for_its_action_where_autonomy_must_be_earned(watched):
    watched.put(autonomy=EARNED)
    await watched.sweep(Shop().undo(23).works(24), 60)
    await watched.sweep(Shop().undo(23).works(24), 90)
    (record,) = await watched.records.all()
    assert (record.uid, record.workload) == (WEB.uid, "shop/Deployment/web")
    (trial,) = record.actions["RestoreTemplate"].latest
    assert (trial.id, trial.succeeded, trial.incident) == (
        "plan/RestoreTemplate/2026-11-24T12:23:00+00:00",
        True,
        "web-1",
    )


async def test_one_change_is_one_trial_however_many_incidents_it_ended(watched):
    watched.put(autonomy=EARNED)
    watched.put("web-0", autonomy=EARNED)
    await watched.sweep(Shop().undo(23).works(24), 60)
    (record,) = await watched.records.all()
    assert watched.other("web-0")["outcome"] == "SameChange"
    assert record.actions["RestoreTemplate"].successes == 1


@pytest.mark.parametrize(("guard", "counted"), [({"asked_by": "Approval"}, 1), ({"stopped_by": "Singleton"}, 0)])
async def test_that_a_person_would_have_been_asked_says_nothing_about_the_plan(watched, guard, counted):
    watched.put(autonomy=EARNED)
    watched.plans.shown = watched.plans.shown._replace(**guard)
    noted = await watched.sweep(Shop().undo(23).works(24), 60)
    assert (noted["outcome"], len(await watched.records.all())) == ("NotKnown", counted)


async def test_it_counts_for_nothing_elsewhere(watched):
    await watched.sweep(Shop().undo(23).works(24), 60)
    assert await watched.records.all() == ()


@pytest.mark.parametrize("error", [Conflict("moved"), AlreadyExists("there"), Unavailable("busy")])
async def test_a_plan_that_cannot_be_counted_now_is_not_noted_yet(watched, error):
    watched.put(autonomy=EARNED)
    watched.rest.kube.before = failing(error, part="configmaps")
    assert await watched.sweep(Shop().undo(23).works(24), 60) is None
    assert (await watched.sweep(Shop().undo(23).works(24), 61))["outcome"] == "SameChange"
    assert len(await watched.records.all()) == 1


async def test_a_plan_that_may_not_be_counted_is_noted_all_the_same(watched):
    watched.put(autonomy=EARNED)
    watched.rest.kube.before = failing(Forbidden("no"), part="configmaps", times=99)
    assert (await watched.sweep(Shop().undo(23).works(24), 60))["outcome"] == "SameChange"


class Recreated(Shop):
    """The workload was deleted and created again, with its revisions."""

    def look(self, at, **values):
        self.recreate(GOOD, 23).works(24)
        after = super().look(at, **values)
        revisions = json.loads(json.dumps(after.revisions).replace(f'"{WEB.uid}"', f'"{self.uid}"'))
        return replace(after, revisions=tuple(revisions))


async def test_a_workload_that_was_created_again_proves_nothing(watched):
    watched.put(autonomy=EARNED)
    noted = await watched.sweep(Recreated(), 60)
    assert (noted["outcome"], await watched.records.all()) == ("OtherChange", ())


async def test_nothing_is_claimed_for_what_was_well_before_people_came(watched):
    shop = Shop().works(5)
    assert await watched.sweep(shop, 20) is None
    shop.undo(23).works(24)
    assert (await watched.sweep(shop, 60))["outcome"] == "NotKnown"


async def test_the_workload_is_gone(watched):
    assert (await watched.sweep(Shop().delete(), 5))["outcome"] == "Deleted"


async def test_a_plan_that_temporal_has_forgotten(watched):
    watched.plans.shown = None
    noted = await watched.sweep(Shop(), 5)
    assert noted["outcome"] == "NotKnown"
    assert noted["message"].startswith("Temporal no longer has the plan of this incident. Keep closed workflows for")


@pytest.mark.parametrize(
    "values", [{"phase": "Verifying"}, {"phase": "Healed"}, {"plan": ""}, {"aftermath": {"outcome": "NotKnown"}}]
)
async def test_others_cost_nothing(watched, values):
    watched.put(**values)
    await watched.sweep(Shop().undo(23).works(24), 60)
    assert (watched.plans.reads, len(watched.rest.kube.requests), watched.rest.kube.writes) == (0, 1, [])


async def test_the_alert_that_opened_it_counts(watched):
    watched.rest.kube.objects[INCIDENT]["metadata"]["annotations"] = {"prunella.dev/opened-by-alert": "api"}
    shop = Shop().undo(23).works(24)
    assert await watched.sweep(shop, 60) is None
    watched.rest.kube.objects[INCIDENT]["metadata"]["annotations"]["prunella.dev/alert-resolved-at"] = minute(
        26
    ).isoformat()
    assert (await watched.sweep(shop, 65))["outcome"] == "SameChange"


async def test_an_incident_about_a_fault_before_the_change_did_not_follow_it(watched):
    """It is opened after its grace period, when people have changed the workload already."""
    watched.put("web-2", "Escalated", opened=24)
    incident = watched.rest.kube.objects[paths.incidents("shop", "web-2")]
    incident["metadata"]["annotations"] = {FAULT_AT: minute(22).isoformat()}
    noted = await watched.sweep(Shop().undo(23).works(25), 60)
    assert noted["outcome"] == "SameChange"


async def test_an_incident_that_followed_is_read(watched):
    watched.put("web-2", "Escalated", opened=50)
    noted = await watched.sweep(Shop().undo(23).crashes(52), 60)
    assert noted["outcome"] == "SameChangeFailed"


async def test_one_that_changed_since_is_judged_again_later(watched):
    watched.rest.kube.before = failing(Conflict("modified"), method="PATCH")
    shop = Shop().undo(23).works(24)
    assert await watched.sweep(shop, 60) is None
    assert (await watched.sweep(shop, 65))["outcome"] == "SameChange"


async def test_a_workload_that_may_not_be_read_does_not_stop_the_others(watched):
    watched.put("web-0")
    watched.rest.kube.before = failing(Forbidden("no"), part="/deployments/web")
    assert await watched.sweep(Shop().undo(23).works(24), 60) is None
    other = watched.rest.kube.objects[paths.incidents("shop", "web-0")]
    assert other["status"]["aftermath"]["outcome"] == "SameChange"


async def test_without_temporal_an_incident_is_judged_later_and_the_others_now(watched):
    watched.put("web-0")
    usual = watched.plans.read

    async def read(uid):
        if uid == watched.rest.kube.objects[INCIDENT]["metadata"]["uid"]:
            raise TemporalUnavailable("no answer")
        return await usual(uid)

    watched.plans.read = read
    shop = Shop().undo(23).works(24)
    assert await watched.sweep(shop, 60) is None
    assert watched.other("web-0")["outcome"] == "SameChange"
    watched.plans.read = usual
    assert (await watched.sweep(shop, 65))["outcome"] == "SameChange"


async def test_an_api_server_that_fails_for_one_workload_does_not_stop_the_others(watched):
    watched.put("web-0")
    watched.rest.kube.before = failing(Unavailable("busy"), part="/deployments/web")
    shop = Shop().undo(23).works(24)
    assert await watched.sweep(shop, 60) is None
    assert watched.other("web-0")["outcome"] == "SameChange"
    assert (await watched.sweep(shop, 65))["outcome"] == "SameChange"


async def test_a_plan_of_another_version_is_final(watched):
    watched.plans.error = InvalidIncident("the plan cannot be read: Field required")
    noted = await watched.sweep(Shop(), 5)
    assert noted["outcome"] == "NotKnown"
    assert noted["message"].startswith("The plan of this incident is of another version of Prunella:")


async def test_what_may_never_be_read_is_final_when_the_time_is_over(watched):
    def forbidden(_method, path, *_):
        if "/deployments/" in path:
            raise Forbidden("no")

    watched.rest.kube.before = forbidden
    assert await watched.sweep(Shop(), 60) is None
    noted = await watched.sweep(Shop(), 24 * 60 + 1)
    assert (noted["outcome"], noted["message"].partition(":")[0]) == ("NotKnown", "What followed cannot be read")


async def test_what_was_found_is_final_where_the_status_cannot_show_it(watched):
    """An older definition of the Incident has no such field: the API server drops it without an error."""
    watched.plans.shown = None
    await watched.sweep(Shop(), 5)
    del watched.rest.kube.objects[INCIDENT]["status"]["aftermath"]
    await watched.sweep(Shop(), 10)
    assert (watched.plans.reads, len(watched.rest.kube.writes)) == (1, 1)


async def test_a_workload_with_several_incidents_is_read_once_in_a_sweep(watched):
    for number in range(2, 6):
        watched.put(f"web-{number}", opened=-5 + number)
    await watched.sweep(Shop(), 10)
    read = [path for _, path, *_ in watched.rest.kube.requests if path.endswith("/deployments/web")]
    assert len(read) == 1
