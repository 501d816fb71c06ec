"""The counts of the results are right."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from chaos.assertions import Problem
from chaos.fault_injection import FaultInjection
from chaos.interventions import INTERVENTION_POINTS
from chaos.results import ChaosResults
from chaos.storm import LARGE, SMALL
from chaos.storm_checks import at_once
from chaos.workloads import create_round_workloads

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def a_run(start, end):
    return "shop", NOW + timedelta(seconds=start), NOW + timedelta(seconds=end)


@pytest.mark.parametrize(
    ("runs", "most"),
    [
        ([], 0),
        ([a_run(0, 5)], 1),
        ([a_run(0, 5), a_run(4, 9), a_run(4.5, 6)], 3),
        ([a_run(0, 5), a_run(5, 9)], 1),
        ([a_run(0, 9), a_run(1, 2), a_run(3, 4)], 2),
    ],
)
def test_repairs_that_run_at_once_are_counted(runs, most):
    assert at_once(runs) == most


@pytest.mark.parametrize("size", [LARGE, SMALL])
def test_a_storm_is_larger_than_its_budgets(size):
    assert size.repairs < size.faults
    assert size.here < size.hour_here < size.each
    assert size.everywhere < size.namespaces * size.here


def test_figures_are_written_for_people_and_for_machines(tmp_path):
    results = ChaosResults(tmp_path, "SEED=7")
    injection = FaultInjection("etcd", "killed", "opened", 0, 1.0, workload="web", others=4)
    results.injected = [
        (injection, "separate-0"),
        (FaultInjection("etcd", "stopped", "opened", 0, 1.0, workload="db"), "separate-0"),
    ]
    results.add_round("separate-0", 100.4, [Problem("doubled", "web", "twice")])
    saved = json.loads((tmp_path / "results.json").read_text())
    assert (saved["injections"], saved["others_open"], saved["rounds"][0]["seconds"]) == (2, 2.0, 100)
    assert saved["cells"][0] == {"target": "etcd", "action": "killed", "point": "opened", "n": 1, "doubled": 1}
    text = (tmp_path / "results.md").read_text()
    assert "| etcd | killed | 1 |" in text
    assert "separate-0: doubled: web: twice" in text


@pytest.mark.parametrize("number", [0, 1])
def test_every_intervention_of_a_round_has_its_point(number):
    workloads = create_round_workloads(None, "shop", number)
    assert {workload.intervention for workload in workloads} - {""} <= INTERVENTION_POINTS.keys()
