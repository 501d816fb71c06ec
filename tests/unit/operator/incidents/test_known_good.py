"""Known-good templates: only those that were stable for the whole soak time."""

from datetime import UTC, datetime, timedelta

import pytest
from fakes.kube import FakeRest, failing
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_snapshot, a_template

from prunella_operator import clock
from prunella_operator.incidents import known_good
from prunella_operator.incidents.known_good import KnownGoodRecorder
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views import revisions
from prunella_operator.kubernetes.views.templates import template_hash
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Forbidden, Refused, Unavailable

SOAK = 30
START = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SNAPSHOTS = paths.snapshots("shop")


class Moment:
    seconds = 0.0

    @property
    def now(self):
        return START + timedelta(seconds=self.seconds)


@pytest.fixture
def moment(monkeypatch):
    moment = Moment()
    monkeypatch.setattr(clock, "now", lambda: moment.now)
    monkeypatch.setattr(clock, "monotonic", lambda: moment.seconds)
    return moment


@pytest.fixture
def rest():
    rest = FakeRest()
    a_cluster(rest.kube, a_deployment(a_template(1), replicas=1), [a_replica_set(1)], [a_pod(ready_since=stamp(0))])
    return rest


@pytest.fixture
def recorder(rest, moment):
    return KnownGoodRecorder(rest, SOAK, ("prunella-system",))


def stamp(seconds):
    return (START + timedelta(seconds=seconds)).isoformat()


async def at(moment, recorder, seconds):
    """Let the recorder do what is due at this time."""
    moment.seconds = seconds
    for rollout in [item for item in recorder._rollouts.values() if item.due <= seconds]:
        del recorder._rollouts[rollout.uid]
        await recorder._try(rollout)


def settled(recorder, just_completed=True):
    recorder.schedule("Deployment", "shop", "web", WEB.uid, just_completed)


def kept(rest):
    return {path.rsplit("/", 1)[1]: item for path, item in rest.kube.objects.items() if path.startswith(SNAPSHOTS)}


def put_pod(rest, name="web-a", **values):
    rest.kube.put(f"{paths.core('shop', 'pods')}/{name}", a_pod(name, **values))


def put_incident(rest, phase):
    meta = {
        "namespace": "shop", "name": "web-1", "uid": "i1", "resourceVersion": "1", "creationTimestamp": stamp(0),
        "labels": {labels.WORKLOAD: workload_key(WEB)},
    }  # fmt: skip
    target = {"kind": "Deployment", "name": "web"}
    body = {"metadata": meta, "spec": {"target": target}, "status": {"phase": phase}}
    rest.kube.put(paths.incidents("shop", "web-1"), body)


def good(rest):
    return [name for name, item in kept(rest).items() if labels.GOOD_AT in item["metadata"]["annotations"]]


async def test_stable_for_the_soak_time_is_good(recorder, rest, moment):
    settled(recorder)
    await at(moment, recorder, SOAK - 1)
    assert good(rest) == []
    await at(moment, recorder, SOAK)
    (snapshot,) = kept(rest).values()
    assert snapshot["metadata"]["annotations"] == {labels.GOOD_AT: stamp(SOAK), labels.WORKLOAD_UID: WEB.uid}
    assert snapshot["metadata"]["labels"][labels.SNAPSHOT] == revisions.KNOWN_GOOD
    assert snapshot["data"]["template"] == a_template(1)


async def test_the_first_template_is_kept_after_ten_seconds_with_its_doubt(recorder, rest, moment):
    settled(recorder)
    await at(moment, recorder, 9)
    assert kept(rest) == {}
    await at(moment, recorder, 10)
    (snapshot,) = kept(rest).values()
    assert snapshot["metadata"]["annotations"] == {labels.READY_FOR: "10", labels.WORKLOAD_UID: WEB.uid}
    assert snapshot["metadata"]["labels"][labels.SNAPSHOT] == revisions.READY


async def test_a_later_template_is_kept_only_once_it_is_good(recorder, rest, moment):
    put_snapshot(rest, 2, START)
    settled(recorder)
    await at(moment, recorder, SOAK - 1)
    assert len(kept(rest)) == 1
    await at(moment, recorder, SOAK)
    assert len(good(rest)) == 2


async def test_no_template_is_good_while_an_incident_is_open(recorder, rest, moment):
    """Its pods are ready, and fail requests."""
    put_incident(rest, phase="Verifying")
    settled(recorder)
    await at(moment, recorder, SOAK)
    await at(moment, recorder, 2 * SOAK)
    assert good(rest) == []
    put_incident(rest, phase="Healed")
    recorder.reconsider("shop")
    await at(moment, recorder, 3 * SOAK)
    assert len(good(rest)) == 1


async def test_the_end_of_an_incident_is_heard_of_and_not_asked_for(recorder, rest, moment):
    put_snapshot(rest, 2, START)
    put_incident(rest, phase="Verifying")
    settled(recorder)
    await at(moment, recorder, SOAK)
    asked = len(rest.kube.requests)
    recorder.reconsider("billing")
    await at(moment, recorder, 5 * SOAK)
    assert len(rest.kube.requests) == asked
    put_incident(rest, phase="Healed")
    await at(moment, recorder, SOAK + 599)
    assert len(good(rest)) == 1, "that of before"
    await at(moment, recorder, SOAK + 600)
    assert len(good(rest)) == 2, "an end that was missed is found"


@pytest.mark.parametrize("has_earlier", [True, False], ids=["a later release", "the first release"])
async def test_the_end_of_an_incident_is_not_missed_while_the_workload_is_being_checked(
    recorder, rest, moment, monkeypatch, has_earlier
):
    if has_earlier:
        put_snapshot(rest, 2, START)
    put_incident(rest, phase="Verifying")
    read = known_good.read_earlier

    async def read_and_end(*arguments):
        found = await read(*arguments)
        put_incident(rest, phase="Healed")
        recorder.reconsider("shop")
        return found

    monkeypatch.setattr(known_good, "read_earlier", read_and_end)
    recorder.schedule("Deployment", "shop", "web", WEB.uid, just_completed=False)
    await at(moment, recorder, SOAK)
    await at(moment, recorder, SOAK + 1)
    assert len(good(rest)) == 1 + has_earlier


async def test_a_restart_of_the_operator_loses_no_time(recorder, rest, moment):
    """The pods have been ready for longer than the soak time when a new process sees them first."""
    moment.seconds = SOAK
    settled(recorder, just_completed=False)
    await at(moment, recorder, SOAK)
    assert len(good(rest)) == 1


@pytest.mark.parametrize(("unready", "expected"), [(1, 1), (2, 0)])
async def test_most_of_the_pods_prove_it(recorder, rest, moment, unready, expected):
    deployment = a_deployment(a_template(1), replicas=3, status={"availableReplicas": 3 - unready})
    rest.kube.put(paths.workload(WEB), deployment)
    for number, name in enumerate(("web-a", "web-b", "web-c")):
        put_pod(rest, name, ready_since=None if number < unready else stamp(0))
    settled(recorder)
    await at(moment, recorder, SOAK)
    assert len(good(rest)) == expected


async def test_what_was_known_of_a_deleted_workload_becomes_the_new_ones_own(recorder, rest, moment):
    name = put_snapshot(rest, 1, START - timedelta(minutes=1))
    kept(rest)[name]["metadata"]["annotations"][labels.WORKLOAD_UID] = "uid-before"
    await look(recorder, moment)
    assert kept(rest)[name]["metadata"]["annotations"][labels.WORKLOAD_UID] == WEB.uid


async def test_a_container_that_is_available_for_a_second_and_crashes_is_never_good(recorder, rest, moment):
    """Without a probe it is ready while it runs. Each time it is complete again there is another call."""
    for start in range(0, 600, 60):
        moment.seconds = start
        settled(recorder)
        end = {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": stamp(start + SOAK - 1)}}
        put_pod(rest, ready_since=stamp(start + SOAK - 1), status={"restartCount": 1, "lastState": end})
        await at(moment, recorder, start + SOAK)
    assert kept(rest) == {}


async def test_in_back_off_at_the_end_of_the_soak_it_is_not_good(recorder, rest, moment):
    settled(recorder)
    put_pod(rest, ready_since=None, status={"state": {"waiting": {"reason": "CrashLoopBackOff"}}})
    await at(moment, recorder, SOAK)
    assert kept(rest) == {}


async def test_after_a_crash_ten_minutes_prove_it_because_a_program_that_dies_now_and_then_is_ready_in_between(
    recorder, rest, moment
):
    settled(recorder)
    end = {"terminated": {"reason": "Error", "exitCode": 1, "finishedAt": stamp(20)}}
    put_pod(rest, ready_since=stamp(21), status={"lastState": end})
    await at(moment, recorder, SOAK)
    assert kept(rest) == {}
    await at(moment, recorder, 21 + SOAK)
    assert kept(rest) == {}
    await at(moment, recorder, 20 + 600)
    assert len(kept(rest)) == 1


async def test_a_rollout_that_is_not_complete_any_more_is_forgotten_until_it_is_told_again(recorder, rest, moment):
    settled(recorder)
    rest.kube.objects[paths.workload(WEB)]["status"]["availableReplicas"] = 0
    await at(moment, recorder, SOAK)
    assert (kept(rest), recorder._rollouts) == ({}, {})


async def test_nothing_runs_so_nothing_is_proved_and_nobody_keeps_asking(recorder, rest, moment):
    rest.kube.put(paths.workload(WEB), a_deployment(replicas=0))
    settled(recorder)
    await at(moment, recorder, SOAK)
    assert (kept(rest), recorder._rollouts) == ({}, {})


async def test_the_remains_of_an_evicted_pod_say_nothing(recorder, rest, moment):
    remains = a_pod("web-evicted", ready_since=None)
    remains["status"] |= {"phase": "Failed", "reason": "Evicted"}
    rest.kube.put(f"{paths.core('shop', 'pods')}/web-evicted", remains)
    settled(recorder)
    await at(moment, recorder, SOAK)
    assert len(kept(rest)) == 1


async def test_a_pod_that_replaces_an_evicted_one_proves_as_little_as_one_that_crashed(recorder, rest, moment):
    rest.kube.put(paths.workload(WEB), a_deployment(a_template(1), replicas=1))
    remains = a_pod("web-evicted", ready_since=None)
    remains["status"] |= {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}
    remains["status"]["conditions"] = [{"type": "Ready", "status": "False", "lastTransitionTime": stamp(10)}]
    rest.kube.put(f"{paths.core('shop', 'pods')}/web-evicted", remains)
    put_pod(rest, ready_since=stamp(15))
    settled(recorder)
    await at(moment, recorder, 15 + SOAK)
    assert kept(rest) == {}
    await at(moment, recorder, 10 + 600)
    assert len(kept(rest)) == 1


async def test_a_namesake_is_not_recorded(recorder, rest, moment):
    recorder.schedule("Deployment", "shop", "web", "uid-before", True)
    await at(moment, recorder, SOAK)
    assert kept(rest) == {}


@pytest.mark.parametrize("where", [paths.workload(WEB), "/api/v1/namespaces/shop"])
async def test_what_asked_to_be_left_alone_gets_no_snapshots(recorder, rest, moment, where):
    rest.kube.objects[where]["metadata"]["labels"] = {"prunella.dev/ignore": "true"}
    settled(recorder)
    await at(moment, recorder, SOAK)
    assert (kept(rest), rest.kube.writes) == ({}, [])


@pytest.mark.parametrize("namespace", ["kube-system", "prunella-system"])
async def test_protected_namespaces_are_not_looked_at(recorder, namespace):
    recorder.schedule("Deployment", namespace, "web", WEB.uid, True)
    assert recorder._rollouts == {}


async def test_the_latest_word_about_a_rollout_counts(recorder, rest, moment):
    settled(recorder)
    put_pod(rest, ready_since=stamp(20))
    moment.seconds = 20
    settled(recorder)
    await at(moment, recorder, SOAK)
    assert good(rest) == []
    await at(moment, recorder, 20 + SOAK)
    assert len(good(rest)) == 1


async def test_a_server_that_is_away_is_asked_again(recorder, rest, moment):
    rest.kube.before = failing(Unavailable("away"))
    settled(recorder)
    await at(moment, recorder, SOAK)
    await at(moment, recorder, SOAK + 6)
    assert len(kept(rest)) == 1


async def test_what_we_may_not_write_is_kept_once_we_may(recorder, rest, moment):
    rest.kube.before = failing(Forbidden("no"), method="POST")
    settled(recorder)
    await at(moment, recorder, SOAK)
    rest.kube.before = lambda _method, _path: None
    await at(moment, recorder, SOAK + 600)
    assert kept(rest) == {}
    await at(moment, recorder, SOAK + 1800)
    assert len(kept(rest)) == 1


# A template that was kept before


def put_snapshot(rest, version, good_at=None, created="2026-11-24T08:00:00Z"):
    body = a_snapshot(a_template(version), good_at=good_at, created=created)
    rest.kube.put(f"{SNAPSHOTS}/{body['metadata']['name']}", body)
    return body["metadata"]["name"]


def good_at(rest, name):
    return kept(rest)[name]["metadata"]["annotations"].get(labels.GOOD_AT)


async def look(recorder, moment, at_second=SOAK):
    settled(recorder)
    await at(moment, recorder, at_second)


async def test_what_was_kept_before_a_repair_becomes_good_when_it_is(recorder, rest, moment):
    name = put_snapshot(rest, 1)
    await look(recorder, moment)
    assert good_at(rest, name) == stamp(SOAK)
    assert kept(rest)[name]["metadata"]["labels"][labels.SNAPSHOT] == revisions.KNOWN_GOOD


async def test_a_snapshot_that_cannot_be_patched_is_replaced(recorder, rest, moment):
    name = put_snapshot(rest, 1)
    rest.kube.before = failing(Refused("data: field is immutable"), method="PATCH")
    await look(recorder, moment)
    assert [write[0] for write in rest.kube.writes] == ["delete", "create"]
    assert good_at(rest, name) == stamp(SOAK)


@pytest.mark.parametrize("nonsense", ["yesterday", "2026-11-24T09:00:00"])
async def test_a_time_that_makes_no_sense_does_not_stop_the_recorder(recorder, rest, moment, nonsense):
    name = put_snapshot(rest, 1)
    kept(rest)[name]["metadata"]["annotations"][labels.GOOD_AT] = nonsense
    await look(recorder, moment)
    assert good_at(rest, name) == stamp(SOAK)


async def test_good_a_moment_ago_is_not_written_again(recorder, rest, moment):
    put_snapshot(rest, 1, START - timedelta(minutes=9))
    await look(recorder, moment)
    assert rest.kube.writes == []


async def test_good_long_ago_is_good_again(recorder, rest, moment):
    name = put_snapshot(rest, 1, START - timedelta(minutes=11))
    await look(recorder, moment)
    assert good_at(rest, name) == stamp(SOAK)


async def test_what_somebody_went_back_to_is_the_newest_again_at_once(recorder, rest, moment):
    """Else the next rollback would go to the very release that was just given up."""
    name = put_snapshot(rest, 1, START - timedelta(minutes=5))
    given_up = put_snapshot(rest, 2, START - timedelta(minutes=2))
    await look(recorder, moment)
    assert good_at(rest, name) > good_at(rest, given_up)


async def test_only_the_newest_are_kept(recorder, rest, moment):
    names = [put_snapshot(rest, version, START - timedelta(hours=version)) for version in range(2, 15)]
    await look(recorder, moment)
    left = kept(rest)
    assert len(left) == 10
    assert set(names[:9]) < set(left)


async def test_what_the_latest_repair_may_be_undone_with_stays(recorder, rest, moment):
    names = [put_snapshot(rest, version, START - timedelta(hours=version)) for version in range(2, 15)]
    rest.kube.objects[paths.workload(WEB)]["metadata"]["annotations"] = {labels.BEFORE: names[-1]}
    await look(recorder, moment)
    assert names[-1] in kept(rest)
    assert len(kept(rest)) == 11


async def test_other_workloads_snapshots_are_not_ours_to_prune(recorder, rest, moment):
    other = a_snapshot(a_template(99), good_at=START - timedelta(days=9))
    other["metadata"]["labels"][labels.WORKLOAD] = "another"
    rest.kube.put(f"{SNAPSHOTS}/other", other)
    for version in range(2, 15):
        put_snapshot(rest, version, START - timedelta(hours=version))
    await look(recorder, moment)
    assert "other" in kept(rest)


def put_deployment(rest, template, **annotations):
    body = a_deployment(template, replicas=1)
    body["metadata"]["annotations"] = annotations
    a_cluster(rest.kube, body, [a_replica_set(1)], [a_pod(ready_since=stamp(0))])


async def test_what_a_repair_left_is_no_release_and_must_prove_more(recorder, rest, moment):
    put_deployment(rest, a_template(1), **{labels.AFTER: template_hash(a_template(1))})
    settled(recorder)
    await at(moment, recorder, SOAK)
    assert good(rest) == []
    await at(moment, recorder, 300)
    assert len(good(rest)) == 1


async def test_a_later_template_must_outlive_its_own_liveness_probe(recorder, rest, moment):
    """The first one need not: there is nothing that it could be mistaken for."""
    probed = a_template(1)
    probed["spec"]["containers"][0]["livenessProbe"] = {"periodSeconds": 10, "failureThreshold": 3}
    earlier = a_snapshot(a_template(2), good_at=START)
    rest.kube.put(paths.snapshots("shop", earlier["metadata"]["name"]), earlier)
    put_deployment(rest, probed)
    settled(recorder)
    await at(moment, recorder, SOAK)
    assert len(kept(rest)) == 1
    await at(moment, recorder, 2 * SOAK)
    assert len(kept(rest)) == 2
