"""Hundreds of faults in a minute: none is lost, none is answered twice, and the budgets hold."""

import json
import os
import tempfile
from pathlib import Path

import pytest
from chaos.storm import HUGE, LARGE, SMALL, Storm
from chaos.storm_parts import control_plane, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(0)]
_CLUSTER = "prunella-storm"


@pytest.fixture(scope="module")
def simulated(log_progress):
    """Fake nodes under a real control plane."""
    name = os.environ.get("PRUNELLA_STORM_CLUSTER") or _CLUSTER
    with control_plane(log_progress, name) as made:
        yield made


@pytest.fixture
def prunella(simulated, tmp_path):
    """Operator, worker and Temporal, and their account."""
    with running(simulated, tmp_path) as made:
        yield made


def run_storm(simulated, prunella, size, log_progress):
    """Play a storm of this size; write its figures to a file."""
    storm = Storm(simulated.api, simulated.audit, *prunella, size, log_progress)
    folder = os.environ.get("PRUNELLA_CHAOS_FOLDER") or Path(tempfile.gettempdir()) / f"prunella-storm-{storm.run}"
    folder = Path(folder)
    problems = []
    try:
        storm.prepare()
        storm.break_all()
        problems = storm.problems()
    finally:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"storm-{size.faults}.json"
        load = os.getloadavg()
        results = {
            "faults": size.faults,
            "load": load,
            **storm.results,
            "problems": [str(problem) for problem in problems],
        }
        path.write_text(json.dumps(results, indent=1) + "\n")
        log_progress("\n".join(f"storm: {name}: {value}" for name, value in storm.results.items()))
        log_progress(f"storm: all figures are in {path}")
        storm.clear()
    assert not problems, "\n".join(map(str, problems))


@pytest.mark.chaos
def test_two_thousand_workloads_break_and_are_healed(simulated, prunella, log_progress):
    run_storm(simulated, prunella, HUGE, log_progress)


@pytest.mark.chaos
def test_four_hundred_workloads_break_within_a_minute(simulated, prunella, log_progress):
    run_storm(simulated, prunella, LARGE, log_progress)


@pytest.mark.chaos
def test_sixty_workloads_break_within_seconds(simulated, prunella, log_progress):
    run_storm(simulated, prunella, SMALL, log_progress)
