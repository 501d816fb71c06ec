"""Two kinds of Prunella in the cluster whose API server is killed, and all their patients.

Everything healthy is made once, for all tests. Each outage then serves the patients of both wards at once.
"""

import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest
from support.identity import identity
from support.outage import ControlPlane, Temporal, Ward, all_good, prepare, timed
from support.prunella import PrunellaProcess

TESTS = {"stop": 1, "api": 4, "etcd": 1, "temporal": 2, "kill": 3}
"""The patients that each test wants, in each ward."""


@pytest.fixture(scope="session")
def control_plane(struck_cluster):
    plane = ControlPlane(struck_cluster.kubeconfig.parent.name)
    yield plane
    plane.mend()


@pytest.fixture(scope="session")
def tell(say):
    return timed(say)


@pytest.fixture(scope="module")
def wards(struck_cluster, tmp_path_factory, tell):
    """Both wards, all patients well."""
    folder, run = tmp_path_factory.mktemp("outages"), secrets.token_hex(2)
    cluster = struck_cluster
    (folder / "account").mkdir()
    name = f"prunella-outages-{run}"
    with identity(cluster.api, cluster.kubeconfig, cluster.context, folder / "account", name) as account:
        if cluster.audit:
            cluster.audit.users.add(account.user)
        made = {kind: _ward(kind, cluster, account, folder / kind, run) for kind in ("whole", "apart")}
        try:
            with ThreadPoolExecutor(4) as pool:
                spaces = [namespace for ward in made.values() for namespace in ward.namespaces]
                list(pool.map(lambda namespace: prepare(cluster.api, namespace), spaces))
            _begin(made.values(), tell)
            yield made
        finally:
            for ward in made.values():
                for process in ward.processes.values():
                    if process.running:
                        process.stop()
                if ward.temporal:
                    ward.temporal.kill()
            for ward in made.values():
                for namespace in ward.namespaces:
                    cluster.api.delete(f"/api/v1/namespaces/{namespace}")


def _begin(wards, tell):
    try:
        for ward in wards:
            ward.start()
        for ward in wards:
            ward.ready()
        tell("both Prunellas are ready")
        all_good([patient for ward in wards for test, count in TESTS.items() for patient in ward.patients(test, count)])
        tell("all patients are well, and known to be")
    except AssertionError as error:
        for ward in wards:
            for process in ward.processes.values():
                error.add_note(process.tail())
        raise


def _ward(kind, cluster, account, folder, run):
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
    return Ward(kind, cluster, account.user, processes, namespaces, temporal)


@pytest.fixture
def whole(wards):
    """`prunella run` with its embedded Temporal."""
    return wards["whole"]


@pytest.fixture
def apart(wards):
    """Operator and worker as two processes, with a Temporal that is somebody else's."""
    return wards["apart"]
