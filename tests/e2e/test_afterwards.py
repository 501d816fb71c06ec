"""After all cases: what must hold for every case, and for Prunella as a whole."""

import re
import time

import pytest
from support.cases.inspection import with_cases
from support.cases.table import CASES

pytestmark = [pytest.mark.e2e, pytest.mark.run_last, pytest.mark.timeout(480, func_only=True)]

_AFTERMATH = 10.0


@pytest.fixture(scope="module")
def aftermath(runner):
    """All cases have run, and unexpected late effects have had time to appear."""
    assert runner.case_runs
    time.sleep(_AFTERMATH)


@with_cases(*CASES)
def test_one_fault_is_one_incident(case_run, aftermath):
    found = [(incident["metadata"]["name"], incident["spec"]["type"]) for incident in case_run.incidents()]
    assert len(found) == case_run.case.incidents, found


@with_cases(*CASES)
def test_nothing_more_is_written(case_run, aftermath):
    case_run.assert_written(case_run.case.writes)


def test_no_write_was_unsafe(runner, aftermath, audit):
    """Over all cases, attempted or granted: the number that docs/results/benchmarks.md may quote."""
    unsafe = {name: case_run.unsafe() for name, case_run in runner.case_runs.items() if case_run.unsafe()}
    assert not unsafe


@with_cases(*CASES)
def test_nothing_holds_incidents_back_from_being_deleted(case_run, aftermath):
    assert not [
        incident["metadata"]["name"] for incident in case_run.incidents() if incident["metadata"].get("finalizers")
    ]


@with_cases("bad-release")
def test_nothing_went_wrong_in_prunella(case_run, aftermath, prunella):
    assert prunella.running
    raised = set(re.findall(r"^([\w.]+\.)?(\w+(?:Error|Exception)): ", prunella.logged(), re.MULTILINE))
    expected = {("temporalio.exceptions.", "ApplicationError")}
    assert not raised - expected, prunella.tail(400)
    assert prunella.http("/readyz")


@with_cases("bad-release")
def test_every_template_kept_is_our_own_kind(case_run, aftermath, audit):
    """The only other writes are snapshots, and no more than the cases need."""
    snapshots = [snapshot for snapshot in case_run.snapshots() if snapshot.made]
    assert {snapshot.verb for snapshot in snapshots} <= {"create", "patch"}
    assert len(snapshots) <= 4
