"""When all is over: what must hold for every case, and for Prunella as a whole. The file's name puts it last."""

import re
import time

import pytest
from support.cases import CASES

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480, func_only=True)]

_AFTERMATH = 10.0


@pytest.fixture(scope="module")
def aftermath(stage):
    """Everything was played, and there was time for what should not come any more."""
    assert stage.scenes
    time.sleep(_AFTERMATH)


def play(*names):
    return pytest.mark.parametrize("scene", names, indirect=True)


@play(*CASES)
def test_one_fault_is_one_incident(scene, aftermath):
    found = [(incident["metadata"]["name"], incident["spec"]["type"]) for incident in scene.incidents()]
    assert len(found) == scene.case.incidents, found


@play(*CASES)
def test_nothing_more_is_written(scene, aftermath):
    scene.assert_written(scene.case.writes)


def test_no_write_was_unsafe(stage, aftermath, audit):
    """Over all cases at once, tried or granted: the number that docs/results/benchmarks.md may quote."""
    unsafe = {name: scene.unsafe() for name, scene in stage.scenes.items() if scene.unsafe()}
    assert not unsafe


@play(*CASES)
def test_nothing_holds_incidents_back_from_being_deleted(scene, aftermath):
    assert not [
        incident["metadata"]["name"] for incident in scene.incidents() if incident["metadata"].get("finalizers")
    ]


@play("bad-release")
def test_nothing_went_wrong_in_prunella(scene, aftermath, prunella):
    assert prunella.running
    raised = set(re.findall(r"^([\w.]+\.)?(\w+(?:Error|Exception)): ", prunella.log.read_text(), re.MULTILINE))
    expected = {("temporalio.exceptions.", "ApplicationError")}
    assert not raised - expected, prunella.tail(400)
    assert prunella.http("/readyz")


@play("bad-release")
def test_every_template_kept_is_our_own_kind(scene, aftermath, audit):
    """The only other writes are snapshots, and no more than the cases need."""
    snapshots = [snapshot for snapshot in scene.snapshots() if snapshot.made]
    assert {snapshot.verb for snapshot in snapshots} <= {"create", "patch"}
    assert len(snapshots) <= 4
