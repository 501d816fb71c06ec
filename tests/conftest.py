"""Shared by all tests: the cluster, the order of the groups, and the diagnostics of failures.

Without a cluster the integration and e2e tests are skipped, and the end of the run says so in red; where CI=true they
fail. `support/cluster.py` has the variables that choose a cluster.
"""

import faulthandler
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from _pytest.faulthandler import fault_handler_stderr_fd_key
from hypothesis import settings
from localcluster.console import ClusterError
from support.certificates import Authority
from support.cluster import ClusterManager, NoCluster, dedicated_cluster

settings.register_profile("usual", deadline=None)  # how long an example takes says more of the machine
settings.register_profile("thorough", deadline=None, max_examples=1000)  # pytest --hypothesis-profile=thorough
settings.load_profile("usual")

TESTS = Path(__file__).parent
_GROUPS = ("unit", "workflow", "integration", "outages", "chaos", "e2e")
_DISPOSABLE = "prunella-outages"
_TEARDOWN_TIMEOUT_SECONDS = 600
_CLUSTER_MANAGER = pytest.StashKey[ClusterManager]()
_UNTESTED = pytest.StashKey[Counter[str]]()
_WITHOUT_AUDIT = pytest.StashKey[set[str]]()


def _line_logger(config):
    def log_progress(text):
        terminal = config.pluginmanager.get_plugin("terminalreporter")
        capture = config.pluginmanager.get_plugin("capturemanager")
        with capture.global_and_fixture_disabled():
            terminal.ensure_newline()
            terminal.write_line(text)

    return log_progress


def pytest_configure(config):
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that fixtures stop what they started
    # A fork here only leads to another program. With its handlers gRPC sometimes aborts the child before that.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        del os.environ[name]  # and the file of the user who runs the tests
    os.environ["TEMPORAL_CONFIG_FILE"] = os.devnull
    config.stash[_CLUSTER_MANAGER] = _cluster_manager(config)
    config.stash[_UNTESTED] = Counter()
    config.stash[_WITHOUT_AUDIT] = set()
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(FailureLog(config))


def _cluster_manager(config):
    try:
        return ClusterManager(_line_logger(config))
    except ClusterError as error:  # a version that cannot be had
        raise pytest.UsageError(str(error)) from error


class FailureLog:
    """Prints each failure at once: the whole run takes long, and may be stopped before its summary."""

    def __init__(self, config):
        self._log_progress = _line_logger(config)

    def pytest_runtest_logreport(self, report):
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            first_line = crash.message.partition("\n")[0] if crash else ""
            self._log_progress(f"\nFAILED in {report.when}: {report.nodeid}: {first_line}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    """Quick groups first. Within a group the order stays random, except for the markers `run_first` and `run_last`."""

    def rank(item):
        group = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        is_last, is_first = (item.get_closest_marker(name) is not None for name in ("run_last", "run_first"))
        return (_GROUPS.index(group) if group in _GROUPS else 0, is_last - is_first)

    items.sort(key=rank)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    """Bring the cluster up before the first test that wants it, outside of that test's time limit."""
    if "cluster" in getattr(item, "fixturenames", ()):
        manager = item.config.stash[_CLUSTER_MANAGER]
        manager.ensure()
        if manager.error:
            item.config.stash[_UNTESTED][str(item.path.relative_to(TESTS.parent))] += 1
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item):
    """End the run, with all stacks, when a teardown hangs: pytest-timeout watches no test that has failed."""
    stderr = item.config.stash[fault_handler_stderr_fd_key]
    faulthandler.dump_traceback_later(_TEARDOWN_TIMEOUT_SECONDS, file=stderr, exit=True)
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Diagnostics from a failed test's fixtures: logs, incidents."""
    report = yield
    if report.failed:
        for fixture in getattr(item, "funcargs", {}).values():
            collect_diagnostics = getattr(fixture, "diagnostics", None)
            report.sections += _diagnostics(collect_diagnostics) if collect_diagnostics else []
    return report


def _diagnostics(collect_diagnostics):
    try:
        return list(collect_diagnostics())
    except Exception as error:  # noqa: BLE001 - the failure itself must be shown, whatever else does not work
        return [("no diagnostics", repr(error))]


def pytest_terminal_summary(terminalreporter, config):
    """Report what was not tested: silence would look like success."""
    untested, manager = config.stash[_UNTESTED], config.stash[_CLUSTER_MANAGER]
    if untested:
        terminalreporter.section("NOT TESTED: there is no cluster", sep="!", red=True, bold=True)
        for group, count in sorted(untested.items()):
            terminalreporter.write_line(f"{count} tests of {group} did not run", red=True, bold=True)
        terminalreporter.write_line(f"{manager.error}", red=True)
        terminalreporter.write_line("For the tests, name that context in PRUNELLA_TEST_CONTEXT.", red=True)
    if config.stash[_WITHOUT_AUDIT]:
        terminalreporter.section("NOT TESTED: this cluster has no audit log", sep="!", red=True, bold=True)
        text = "What was written, and how often, was only judged by the final objects. Our own cluster has the log."
        terminalreporter.write_line(text, red=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    session.config.stash[_CLUSTER_MANAGER].release()


@pytest.fixture(scope="session")
def log_progress(pytestconfig):
    """Print a line that is seen at once."""
    return _line_logger(pytestconfig)


@pytest.fixture(scope="session")
def cluster(pytestconfig):
    """A real cluster with our CRDs."""
    manager = pytestconfig.stash[_CLUSTER_MANAGER]
    if isinstance(manager.error, NoCluster) and os.environ.get("CI") != "true":
        pytest.skip("there is no cluster: see the end of the run")
    if manager.error:
        pytest.fail(f"there is no cluster: {manager.error}", pytrace=False)
    return manager.cluster


@pytest.fixture(scope="session")
def disposable_cluster(log_progress):
    """A cluster for outages and chaos only, because its API server and etcd are killed."""
    if os.environ.get("PRUNELLA_TEST_CONTEXT"):
        pytest.skip("this needs a cluster of our own: its API server is killed")
    with dedicated_cluster(log_progress, os.environ.get("PRUNELLA_OUTAGE_CLUSTER") or _DISPOSABLE) as made:
        yield made


@pytest.fixture(scope="session")
def kubeconfig(cluster):
    """The path of the cluster's kubeconfig."""
    return cluster.kubeconfig


@pytest.fixture
def audit(cluster, request):
    """The API server's audit log."""
    if cluster.audit is None:
        request.config.stash[_WITHOUT_AUDIT].add(request.node.nodeid)
        pytest.skip("this cluster has no audit log")
    return cluster.audit


@pytest.fixture
def authority(tmp_path):
    """A certificate authority for one test."""
    return Authority(tmp_path)


@pytest.fixture
def temporal_variables(monkeypatch):
    """Set variables of Temporal's clients."""

    def set_variables(**values):
        for name, value in values.items():
            monkeypatch.setenv(f"TEMPORAL_{name}", str(value))

    return set_variables
