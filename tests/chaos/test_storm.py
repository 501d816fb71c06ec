"""Hundreds of faults in a minute: none is lost, none is answered twice, and the budgets hold."""

import json
import os
import secrets
import tempfile
from pathlib import Path

import pytest
from chaos.storm import HUGE, LARGE, SMALL, Storm, settings
from localcluster.ports import free_ports
from support.cluster import dedicated_cluster
from support.identity import identity
from support.outage import Temporal
from support.prunella import PrunellaProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(0)]
_CLUSTER = "prunella-storm"


@pytest.fixture(scope="module")
def simulated(log_progress):
    """Fake nodes under a real control plane."""
    name = os.environ.get("PRUNELLA_STORM_CLUSTER") or _CLUSTER
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GOGC", "500")  # of the control plane: it shares the cores with what is measured
        with dedicated_cluster(log_progress, name, "--simulated") as made:
            yield made


@pytest.fixture
def prunella(simulated, tmp_path):
    """Operator, worker and Temporal, and their account."""
    temporal, run = Temporal(tmp_path / "temporal"), secrets.token_hex(2)
    temporal.start()
    try:
        with identity(simulated.api, simulated.kubeconfig, None, tmp_path, f"storm-account-{run}") as account:
            simulated.audit.users.add(account.user)
            shared = settings(temporal)
            with (
                PrunellaProcess(
                    tmp_path / "operator", account.kubeconfig, "operator", webhook_port=free_ports(1)[0], **shared
                ) as operator,
                PrunellaProcess(tmp_path / "worker", account.kubeconfig, "worker", **shared) as worker,
            ):
                yield account.user, temporal, {"operator": operator, "worker": worker}, run
    finally:
        temporal.kill()


def run_storm(simulated, prunella, size, log_progress):
    """Play a storm of this size; write its figures to a file."""
    user, temporal, parts, run = prunella
    storm = Storm(simulated.api, simulated.audit, user, size, temporal, parts, run, log_progress)
    folder = Path(os.environ.get("PRUNELLA_CHAOS_FOLDER") or Path(tempfile.gettempdir()) / f"prunella-storm-{run}")
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
