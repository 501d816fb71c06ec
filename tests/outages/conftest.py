"""Two kinds of Prunella in the cluster whose API server is killed, and their workloads.

Everything healthy is made once, for all tests. Each outage then covers the workloads of both systems at once.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.identity import identity
from support.outage import ControlPlane, SystemUnderTest, Temporal, all_good, prepare, timed
from support.prunella import PrunellaProcess

TESTS = {"stop": 1, "api": 4, "etcd": 1, "temporal": 2, "kill": 3}
"""The number of workloads of each test, in each system."""


@pytest.fixture(scope="session")
def control_plane(disposable_cluster):
    plane = ControlPlane(disposable_cluster.kubeconfig.parent.name)
    yield plane
    plane.restore()


@pytest.fixture(scope="session")
def log_progress(log_progress):
    return timed(log_progress)


@pytest.fixture(scope="module")
def systems(disposable_cluster, tmp_path_factory, log_progress):
    """Start both systems, with all workloads healthy."""
    folder, run = tmp_path_factory.mktemp("outages"), secrets.token_hex(2)
    cluster = disposable_cluster
    (folder / "account").mkdir()
    name = f"prunella-outages-{run}"
    with identity(cluster.api, cluster.kubeconfig, cluster.context, folder / "account", name) as account:
        if cluster.audit:
            cluster.audit.users.add(account.user)
        made = {kind: _system(kind, cluster, account, folder / kind, run) for kind in ("whole", "apart")}
        try:
            with ThreadPoolExecutor(4) as pool:
                spaces = [namespace for system in made.values() for namespace in system.namespaces]
                list(pool.map(lambda namespace: prepare(cluster.api, namespace), spaces))
            _begin(made.values(), log_progress)
            yield made
        finally:
            for system in made.values():
                for process in system.processes.values():
                    if process.running:
                        process.stop()
                if system.temporal:
                    system.temporal.kill()
            for system in made.values():
                for namespace in system.namespaces:
                    cluster.api.delete(f"/api/v1/namespaces/{namespace}")


def _begin(systems, log_progress):
    try:
        for system in systems:
            system.start()
        for system in systems:
            system.ready()
        log_progress("both Prunellas are ready")
        all_good(
            [
                workload
                for system in systems
                for test, count in TESTS.items()
                for workload in system.workloads(test, count)
            ]
        )
        log_progress("all workloads are healthy and known as good")
    except AssertionError as error:
        for system in systems:
            for process in system.processes.values():
                error.add_note(process.tail())
        raise


def _system(kind, cluster, account, folder, run):
    namespaces = tuple(f"{kind}-{test}-{run}" for test in TESTS)
    shared = {"known_good_after": 2, "namespaces": ",".join(namespaces)}
    temporal = None
    if kind == "whole":
        processes = {"run": PrunellaProcess(folder, account.kubeconfig, **shared)}
    else:
        temporal = Temporal(folder / "temporal")
        shared["temporal_address"] = temporal.address
        processes = {
            name: PrunellaProcess(folder / name, account.kubeconfig, name, **shared) for name in ("operator", "worker")
        }
    return SystemUnderTest(kind, cluster, account.user, processes, namespaces, temporal)


@pytest.fixture
def single(systems):
    """`prunella run` with its embedded Temporal."""
    return systems["whole"]


@pytest.fixture
def separate(systems):
    """Operator and worker as two processes, with an external Temporal."""
    return systems["apart"]
