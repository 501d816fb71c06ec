"""Track records: kept in a namespace of their own, counted once, and never earned by what cannot be read."""

import pytest
from builders import NOW, WEB
from fakes.kube import FakeKube, FakeRest, failing

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.track_records import TrackRecords, WatchedTrackRecords, name_of
from prunella_workflows.model.autonomy import TrackRecord, Trial
from prunella_workflows.model.errors import Conflict, Forbidden, Refused

PATH = f"/api/v1/namespaces/prunella-records/configmaps/{name_of(WEB)}"


def a_trial(number=1, succeeded=True):
    return Trial(id=f"uid-incident-{number}", action="SetMemory", succeeded=succeeded, incident="web-1", at=NOW)


@pytest.fixture
def kube():
    return FakeKube()


@pytest.fixture
def records(kube):
    return TrackRecords(kube)


def counts(record):
    return [(known.successes, known.failures) for known in record.actions.values()]


def test_a_workload_without_a_record_has_an_empty_one(records, kube):
    assert records.read(WEB) == TrackRecord()
    assert kube.writes == []


def test_trials_are_counted_once_in_an_object_of_their_own_namespace(records, kube):
    for _ in range(2):
        records.add(WEB, [a_trial(1), a_trial(2)])
    records.add(WEB, [a_trial(3, succeeded=False)])
    assert counts(records.read(WEB)) == [(2, 1)]
    assert [path for _, path, _ in kube.writes] == [PATH, PATH]
    assert kube.objects[PATH]["metadata"]["labels"]["prunella.dev/track-record"] == "true"
    assert records.read(WEB).workload == "shop/Deployment/web"


def test_no_trial_is_no_request(records, kube):
    records.add(WEB, [])
    assert kube.writes == []


def test_trials_of_a_deleted_workload_leave_the_record_of_its_successor(records, kube):
    old = WEB.model_copy(update={"uid": "uid-before"})
    records.add(WEB, [a_trial(1), a_trial(2)])
    records.add(old, [a_trial(3)])
    kube.put(paths.workload(WEB), {"metadata": {"uid": WEB.uid}})
    records.add(old, [a_trial(4, succeeded=False)])
    assert (records.read(WEB).uid, counts(records.read(WEB))) == (WEB.uid, [(2, 0)])


def test_the_record_of_a_deleted_namesake_is_replaced(records, kube):
    kube.put(paths.workload(WEB), {"metadata": {"uid": WEB.uid}})
    records.add(WEB.model_copy(update={"uid": "uid-before"}), [a_trial(1), a_trial(2)])
    records.add(WEB, [a_trial(3)])
    assert (records.read(WEB).uid, counts(records.read(WEB))) == (WEB.uid, [(1, 0)])


DAMAGED = (
    {},
    {"record": "no JSON"},
    {"record": "{}"},
    {"other": "1"},
    {"record": '{"uid": "uid-web", "actions": {"SetMemory": {"successes": -1}}}'},
    {"record": '{"uid": "uid-web", "actions": {"SetMemory": {"failures": 1000000000}}}'},
)


@pytest.mark.parametrize("data", DAMAGED)
def test_a_record_that_someone_edited_counts_for_nothing_and_is_replaced(records, kube, data):
    kube.put(PATH, {"data": data})
    assert records.read(WEB).actions == {}
    records.add(WEB, [a_trial()])
    assert (counts(records.read(WEB)), records.read(WEB).problem) == ([(1, 0)], "")


def test_without_permission_to_read_nothing_is_earned_and_the_reason_is_kept(records, kube):
    kube.before = failing(Forbidden("no"), times=9)
    assert records.read(WEB).problem == "The track record cannot be read: no."


@pytest.mark.parametrize("error", [Forbidden("no"), Refused("too large")])
def test_an_incident_ends_although_its_record_cannot_be_written(records, kube, error):
    kube.before = failing(error, times=9)
    records.add(WEB, [a_trial()])
    assert kube.writes == []


def test_two_writers_lose_nothing(records, kube):
    records.add(WEB, [a_trial(1)])
    kube.before = failing(Conflict("moved"), times=2, method="PATCH")
    records.add(WEB, [a_trial(2)])
    assert counts(records.read(WEB)) == [(2, 0)]


def test_one_that_never_stands_still_is_tried_again_later(records, kube):
    kube.before = failing(Conflict("moved"), times=99)
    with pytest.raises(Conflict, match="faster"):
        records.add(WEB, [a_trial()])


async def test_operator_and_worker_share_the_records(records, kube):
    watched = WatchedTrackRecords(FakeRest(kube))
    await watched.add(WEB, a_trial(1))
    records.add(WEB, [a_trial(2)])
    for _ in range(2):
        await watched.add(WEB, a_trial(3, succeeded=False))
    assert [counts(record) for record in await watched.all()] == [[(2, 1)]]
