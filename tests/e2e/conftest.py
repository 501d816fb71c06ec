"""The stage of the end-to-end tests: every selected case is played at once, each test looks at one of them."""

import secrets

import pytest
from support.cases import CASES, FAULTS
from support.identity import identity
from support.prunella import PrunellaProcess
from support.stage import Scene, Stage


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the cases of the larger suite before tests are chosen by their marks."""
    for item in items:
        if getattr(getattr(item, "callspec", None), "params", {}).get("scene") in FAULTS:
            item.add_marker("faults")


@pytest.fixture(scope="session")
def account(cluster, tmp_path_factory):
    """The account that Prunella runs as."""
    folder = tmp_path_factory.mktemp("account")
    name = f"prunella-tests-{secrets.token_hex(2)}"
    with identity(cluster.api, cluster.kubeconfig, cluster.context, folder, name) as made:
        if cluster.audit:
            cluster.audit.users.add(made.user)
        yield made


@pytest.fixture(scope="session")
def prunella(account, tmp_path_factory):
    """Prunella, for as long as the session lasts."""
    folder = tmp_path_factory.mktemp("prunella")
    with PrunellaProcess(folder, account.kubeconfig, known_good_after=3) as process:
        yield process


@pytest.fixture(scope="session")
def stage(request, cluster, account, prunella, say):
    """The cases that the selected tests want, all played."""
    wanted = {
        item.callspec.params["scene"]
        for item in request.session.items
        if "scene" in getattr(getattr(item, "callspec", None), "params", {})
    }
    run = secrets.token_hex(2)
    cases = [case for name, case in CASES.items() if name in wanted]
    made = Stage([Scene(one, cluster, prunella, account.user, f"e2e-{one.name}-{run}") for one in cases], prunella, say)
    try:
        made.play()
        yield made
    finally:
        made.clear()


@pytest.fixture
def scene(stage, request):
    """One case; its name is the parameter."""
    if error := stage.error:
        stage.error = AssertionError("the cases could not be played: the first error says why")
        raise error
    return stage.scenes[request.param]
