"""Fixtures of the end-to-end tests: every selected case runs first, then each test checks one of them.

The results go to build/faults.md and are printed at the end of the run.
"""

import secrets
from contextlib import contextmanager
from pathlib import Path

import pytest
from localcluster.ports import free_ports
from support.cases.recorder import record_decisions
from support.cases.results import result, table
from support.cases.run import BUILT_IN, CASE_LABELS, CaseRun
from support.cases.runner import CaseRunner
from support.cases.table import CASES, FAULTS
from support.identity import identity, shipped_identities
from support.outage import Temporal
from support.prunella import PrunellaProcess, SeparateProcesses

_SCORE = Path(__file__).parents[2] / "build" / "faults.md"
_RESULTS = pytest.StashKey[list]()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the cases of the larger suite, outside of the core, before tests are chosen by their marks."""
    for item in items:
        larger = getattr(getattr(item, "callspec", None), "params", {}).get("case_run") in FAULTS
        if larger and not item.get_closest_marker("core"):
            item.add_marker("faults")


@pytest.fixture(scope="session")
def account(cluster, tmp_path_factory):
    """An account with all rights, for `prunella run` as on a machine of one's own."""
    folder = tmp_path_factory.mktemp("account")
    name = f"prunella-tests-{secrets.token_hex(2)}"
    with identity(cluster.api, cluster.kubeconfig, cluster.context, folder, name) as made:
        if cluster.audit:
            cluster.audit.users.add(made.user)
        yield made


@pytest.fixture(scope="session")
def accounts(cluster, tmp_path_factory):
    """Operator and worker with the accounts, roles and admission policies of the manifests."""
    folder = tmp_path_factory.mktemp("accounts")
    name = f"prunella-shipped-{secrets.token_hex(2)}"
    with shipped_identities(cluster, folder, name, CASE_LABELS) as made:
        if cluster.audit:
            cluster.audit.users |= {one.user for one in made.values()}
        yield made


@pytest.fixture(scope="session")
def prunella(accounts, tmp_path_factory):
    """Prunella as it is installed: operator and worker with an account each, and Temporal. They last all session."""
    folder = tmp_path_factory.mktemp("prunella")
    temporal = Temporal(folder / "temporal")
    settings = {"temporal_address": temporal.address} | ({} if BUILT_IN else {"known_good_after": 3})
    watching = {**settings, "webhook_port": free_ports(1)[0]}
    temporal.start()
    try:
        with (
            PrunellaProcess(folder / "o", accounts["operator"].kubeconfig, "operator", **watching) as operator,
            PrunellaProcess(folder / "w", accounts["worker"].kubeconfig, "worker", **settings) as worker,
        ):
            yield SeparateProcesses(operator, worker)
    finally:
        temporal.kill()


@pytest.fixture(scope="session")
def play(request, cluster, log_progress):
    """Play the cases that the selected tests need with a Prunella whose accounts are these."""
    wanted = {
        item.callspec.params["case_run"]
        for item in request.session.items
        if "case_run" in getattr(getattr(item, "callspec", None), "params", {})
    }
    run = secrets.token_hex(2)
    cases = [case for name, case in CASES.items() if name in wanted]

    @contextmanager
    def playing(prunella, users):
        case_runs = [CaseRun(case, cluster, prunella, users, f"e2e-{case.name}-{run}") for case in cases]
        made = CaseRunner(case_runs, prunella, log_progress)
        try:
            made.play()
            yield made
            if cluster.audit:
                request.config.stash[_RESULTS] = [result(case_run) for case_run in case_runs]
        finally:
            made.clear()

    return playing


@pytest.fixture(scope="session")
def runner(accounts, prunella, play):
    """All cases, run."""
    with play(prunella, tuple(made.user for made in accounts.values())) as made:
        record_decisions(made.case_runs.values(), str(prunella.settings["temporal_address"]))
        yield made


@pytest.fixture
def case_run(runner, request):
    """One case; its name is the parameter."""
    made = runner.case_runs[request.param]
    if error := made.error:
        made.error = AssertionError(f"{request.param} could not be run: see its first error")
        raise error
    return made


def pytest_terminal_summary(terminalreporter, config):
    """Print the expected and actual results of the cases, and their writes."""
    if results := config.stash.get(_RESULTS, None):
        _SCORE.parent.mkdir(exist_ok=True)
        _SCORE.write_text(text := table(results))
        terminalreporter.section(f"score, also in {_SCORE}")
        terminalreporter.write_line(text)
