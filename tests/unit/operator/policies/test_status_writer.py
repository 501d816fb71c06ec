"""The status of policies: what it says, and that it is written only when it differs."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from fakes.apiserver import FakeApi, eventually, modified, page_body
from fakes.kube import FakeRest, failing

from prunella_operator import clock
from prunella_operator.detection.rollouts import Rollout
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.track_records import TrackRecords, WatchedTrackRecords
from prunella_operator.kubernetes.watch.resource import WatchTimings
from prunella_operator.policies import status_writer
from prunella_operator.policies.earned_levels import EarnedLevels
from prunella_operator.policies.kinds import PolicyKind
from prunella_operator.policies.objects import Namespace, Policy
from prunella_operator.policies.status_writer import PolicyStatusWriter
from prunella_operator.tasks import end
from prunella_workflows.model.autonomy import Trial
from prunella_workflows.model.errors import Forbidden, NotFound, Unavailable
from prunella_workflows.model.policy_status import PolicyStatus
from prunella_workflows.model.workload import WorkloadRef

NOW = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
WEB, DB = {"app": "web"}, {"app": "db"}


@pytest.fixture(autouse=True)
def now(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: NOW)
    monkeypatch.setattr(status_writer, "_INTERVAL_SECONDS", 0.01)


@pytest.fixture
def rest():
    return FakeRest()


@pytest.fixture
def writer(rest):
    writer = PolicyStatusWriter(FakeApi().access, rest, EarnedLevels(WatchedTrackRecords(rest)))
    for namespace, name, labels in (("shop", "web", WEB), ("shop", "db", DB), ("lab", "web", WEB)):
        put_workload(writer, namespace, name, labels)
    for name, labels in (("shop", {"stage": "production"}), ("lab", {}), ("empty", {"stage": "production"})):
        made = {"metadata": {"name": name, "uid": f"ns-{name}", "resourceVersion": "1", "labels": labels}}
        writer._namespaces.on_upsert(msgspec.convert(made, Namespace), NOW)
    return writer


def put_workload(writer, namespace, name, labels, version="1"):
    meta = {"name": name, "namespace": namespace, "uid": f"{namespace}/{name}", "resourceVersion": version}
    writer.workloads.on_upsert(msgspec.convert({"metadata": {**meta, "labels": labels}}, Rollout), NOW)


def put(writer, spec, namespace="shop", name="one", generation=1):
    """Add a policy to the API server, and tell the writer."""
    path = f"{paths.policies(namespace)}/{name}"
    writer.rest.kube.put(path, {"metadata": {"namespace": namespace, "generation": generation}, "spec": spec})
    tell(writer, path)
    return path


def tell(writer, path):
    """Say what the watch would say."""
    writer._policies.on_upsert(msgspec.convert(writer.rest.kube.objects[path], Policy), NOW)


def written(writer, path):
    return writer.rest.kube.objects[path].get("status")


async def test_a_valid_policy_is_ready_and_says_how_many_workloads_it_selects(writer):
    path = put(writer, {"selector": {"matchLabels": WEB}, "grace": "10s"}, generation=3)
    await writer._write_changes()
    assert written(writer, path) == {
        "observedGeneration": 3,
        "matchedWorkloads": 1,
        "errors": [],
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Valid",
                "message": "The policy is valid.",
                "observedGeneration": 3,
                "lastTransitionTime": "2026-11-24T12:00:00Z",
            }
        ],
    }
    assert writer.rest.kube.writes[0][1] == f"{path}/status"


@pytest.mark.parametrize(
    ("namespace", "spec", "matched"),
    [
        ("shop", {}, 2),
        ("empty", {}, 0),
        ("shop", {"selector": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}}, 1),
        ("shop", {"selector": {"matchLabels": {"app": "wbe"}}}, 0),
        ("", {}, 3),
        ("", {"namespaceSelector": {"matchLabels": {"stage": "production"}}}, 2),
        ("", {"namespaceSelector": {"matchExpressions": [{"key": "stage", "operator": "DoesNotExist"}]}}, 1),
    ],
)
async def test_workloads_are_counted_by_their_labels_or_those_of_their_namespace(writer, namespace, spec, matched):
    path = put(writer, spec, namespace)
    await writer._write_changes()
    assert written(writer, path)["matchedWorkloads"] == matched


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"grace": "soon"}, "spec.grace"),
        (
            {"maintenanceWindows": [{"start": "1", "end": "2", "timeZone": "Mars"}]},
            "spec.maintenanceWindows.0.timeZone",
        ),
        ({"verification": {"checks": [{"name": "a", "query": "$lost", "threshold": 1}]}}, "spec.verification.checks"),
        ({"escalation": {"channels": ["other/chat"]}}, "spec.escalation"),
        ({"limits": {"memoryMinStep": "2Gi", "memoryMax": "1Gi"}}, "spec.limits.memoryMinStep"),
        ({"selector": {"matchExpressions": [{"key": "a", "operator": "Like"}]}}, "spec.selector.matchExpressions.0"),
    ],
)
async def test_a_policy_that_cannot_be_read_or_contradicts_itself_is_not_ready_and_names_the_field(writer, spec, field):
    path = put(writer, spec)
    await writer._write_changes()
    status = written(writer, path)
    (error,), (ready,) = status["errors"], status["conditions"]
    assert error.startswith(field)
    assert (ready["status"], ready["reason"], ready["message"]) == ("False", "Invalid", error)


async def test_every_error_is_named(writer):
    path = put(writer, {"grace": "soon", "cooldown": "later"})
    await writer._write_changes()
    assert [error.split(":")[0] for error in written(writer, path)["errors"]] == ["spec.grace", "spec.cooldown"]
    assert written(writer, path)["conditions"][0]["message"].endswith("(and 1 more)")


async def test_it_is_written_once(writer):
    path = put(writer, {})
    await writer._write_changes()
    tell(writer, path)  # of our own write
    await writer._write_changes()
    assert len(writer.rest.kube.writes) == 1


async def test_the_condition_keeps_its_time_until_it_changes(writer, monkeypatch):
    path = put(writer, {})
    await writer._write_changes()
    monkeypatch.setattr(clock, "now", lambda: NOW + timedelta(hours=1))
    put_workload(writer, "shop", "third", {})
    await change(writer, path, {}, generation=2)
    assert written(writer, path)["conditions"][0]["lastTransitionTime"] == "2026-11-24T12:00:00Z"
    assert written(writer, path)["matchedWorkloads"] == 3
    await change(writer, path, {"grace": "soon"}, generation=3)
    assert written(writer, path)["conditions"][0]["lastTransitionTime"] == "2026-11-24T13:00:00Z"
    assert written(writer, path)["observedGeneration"] == 3


async def change(writer, path, spec, generation):
    writer.rest.kube.objects[path]["spec"] = spec
    writer.rest.kube.objects[path]["metadata"]["generation"] = generation
    tell(writer, path)
    await writer._write_changes()


async def test_a_change_while_the_track_records_are_read_is_not_lost(writer, monkeypatch):
    async def refresh(_policies):
        writer._note_change()
        return False

    monkeypatch.setattr(EarnedLevels, "refresh", lambda _, policies: refresh(policies))
    writer._changed = False
    await writer._refresh_levels()
    assert writer._changed


async def test_earned_levels_are_shown_while_autonomy_is_enabled(writer):
    ref = WorkloadRef(kind="Deployment", namespace="shop", name="web", uid="shop/web")
    TrackRecords(writer.rest.kube).add(ref, [Trial(id="t1", action="Restart", succeeded=True, at=NOW)])
    path = put(writer, {"autonomy": {"enabled": True}})
    await writer._refresh_levels()
    await writer._write_changes()
    (level,) = written(writer, path)["autonomy"]
    assert (level["workload"], level["action"], level["level"]) == ("shop/Deployment/web", "Restart", "Observe")
    assert level["message"].startswith("1 of 1 verified repairs and observed plans succeeded")
    tell(writer, path)
    await change(writer, path, {}, generation=2)
    assert "autonomy" not in written(writer, path)


async def test_records_that_cannot_be_read_delay_nothing_else(writer):
    path = put(writer, {"autonomy": {"enabled": True}})
    writer.rest.kube.before = failing(Forbidden("no"), part="configmaps")
    await writer._refresh_levels()
    await writer._write_changes()
    assert written(writer, path)["autonomy"] == []


async def test_pods_that_come_and_go_cause_no_work(writer):
    await writer._write_changes()
    put_workload(writer, "shop", "web", WEB, version="2")  # another number of pods
    assert not writer._changed
    put_workload(writer, "shop", "web", {"app": "web", "tier": "front"}, version="3")
    assert writer._changed


async def test_a_deleted_workload_counts_no_more(writer):
    path = put(writer, {})
    await writer._write_changes()
    tell(writer, path)
    writer.workloads.on_delete("shop/db", NOW)
    await writer._write_changes()
    assert written(writer, path)["matchedWorkloads"] == 1


async def test_while_the_api_server_is_away_it_is_tried_again(writer):
    path = put(writer, {})
    writer.rest.kube.before = failing(Unavailable("away"))
    assert await writer._write_changes() == status_writer._RETRY_INTERVAL_SECONDS
    assert writer._changed
    await writer._write_changes()
    assert written(writer, path)


@pytest.mark.parametrize("error", [NotFound("no status here"), Forbidden("no")])
async def test_a_policy_that_cannot_be_written_does_not_stop_the_others(writer, error):
    put(writer, {}, name="one")
    path = put(writer, {}, name="two")
    writer.rest.kube.before = failing(error, part="/one/")
    await writer._write_changes()
    assert written(writer, path)
    assert not writer._changed


async def test_two_thousand_workloads_are_counted_within_a_moment(writer):
    for number in range(2000):
        put_workload(writer, f"team-{number % 50}", f"web-{number}", {"app": f"web-{number % 7}", "tier": "front"})
    for number in range(50):
        put(writer, {"selector": {"matchLabels": {"app": "web-3"}}}, namespace=f"team-{number}", name=f"n-{number}")
        put(writer, {"namespaceSelector": {"matchLabels": {"team": str(number)}}}, namespace="", name=f"c-{number}")
    began = asyncio.get_running_loop().time()
    assert len([changed async for changed in writer.find_changes()]) == 100
    assert asyncio.get_running_loop().time() - began < 2  # 20 ms on an idle machine


async def test_between_two_policies_other_tasks_get_their_turn(writer, monkeypatch):
    turns, judged = 0, []
    monkeypatch.setattr(status_writer, "make_status", lambda *_: judged.append(turns) or PolicyStatus())
    for number in range(20):
        put(writer, {}, name=f"n-{number}")

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await asyncio.sleep(0)
    await writer._write_changes()
    await end(task)
    assert len(set(judged)) == 20


async def test_a_spec_is_judged_once(writer, monkeypatch):
    judged = []
    usual = PolicyKind.find_errors
    monkeypatch.setattr(PolicyKind, "find_errors", lambda kind, spec: judged.append(spec) or usual(kind, spec))
    path = put(writer, {"grace": "10s"})
    await writer._write_changes()
    tell(writer, path)
    put_workload(writer, "shop", "third", {})
    await writer._write_changes()
    assert judged == [{"grace": "10s"}]
    await change(writer, path, {"grace": "20s"}, generation=2)
    assert judged == [{"grace": "10s"}, {"grace": "20s"}]
    writer._policies.on_delete(writer.rest.kube.objects[path]["metadata"]["uid"], NOW)
    await writer._write_changes()
    assert writer._errors == {}


async def test_a_refusal_is_logged_once_for_each_version_of_a_policy(writer, capsys):
    path = put(writer, {})
    for version in ("1", "1", "2"):
        writer.rest.kube.objects[path]["metadata"]["resourceVersion"] = version
        tell(writer, path)
        writer.rest.kube.before = failing(Forbidden("no"))
        await writer._write_changes()
    assert capsys.readouterr().out.count("cannot write the status") == 2


class Cluster(FakeApi):
    """An API server with objects of several resources, by the last word of their path."""

    async def _list(self, request):
        plural = request.path.rpartition("/")[2]
        found = [one for one in self.objects if one["plural"] == plural]
        return page_body(found, self.version)


def served(plural, name, **meta):
    made = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "generation": 1, **meta}
    return {"plural": plural, "metadata": made, "spec": {}}


@asynccontextmanager
async def running(api, rest, knows_workloads):
    levels = EarnedLevels(WatchedTrackRecords(rest))
    writer = PolicyStatusWriter(api.access, rest, levels, timings=WatchTimings(min_backoff=0.01, max_backoff=0.04))
    watches = [watch for _, watch in writer.watches()]
    tasks = [asyncio.create_task(watch.run()) for watch in watches]
    is_synced = lambda: all(watch.stats.synced for watch in watches) and knows_workloads()  # noqa: E731
    tasks.append(asyncio.create_task(writer.run(is_synced)))
    try:
        yield writer
    finally:
        await end(*tasks)


async def test_it_lists_once_and_counts_nothing_before_all_workloads_are_known(rest):
    one, wide = paths.policies("shop") + "/one", paths.policies() + "/wide"
    for path in (one, wide):
        rest.kube.put(path, {"spec": {}})
    objects = [
        served("healingpolicies", "one", namespace="shop"),
        served("clusterhealingpolicies", "wide"),
        served("namespaces", "shop"),
    ]
    known = []
    async with Cluster(objects) as api, running(api, rest, lambda: bool(known)) as writer:
        await eventually(lambda: api.watching == 3)
        assert rest.kube.writes == []
        put_workload(writer, "shop", "web", WEB)
        known.append(True)
        await eventually(lambda: len(rest.kube.writes) == 2)
        assert [rest.kube.objects[path]["status"]["matchedWorkloads"] for path in (one, wide)] == [1, 1]
        changed = served("healingpolicies", "one", namespace="shop") | {"spec": {"grace": "soon"}}
        changed["metadata"] |= {"generation": 2, "resourceVersion": "2"}
        api.send(modified(changed))
        await eventually(lambda: rest.kube.objects[one]["status"]["observedGeneration"] == 2)
        assert rest.kube.objects[one]["status"]["conditions"][0]["status"] == "False"
        assert len(api.of("list")) == 3
