"""The hands on a real API server, without an operator: activities are called as the worker calls them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from support.deployments import a_namespace

from prunella_operator.activities.gather import Gatherer
from prunella_operator.activities.repair import Repairer
from prunella_operator.cluster.access import load_access
from prunella_operator.cluster.kube import Kube

_HERE = Path(__file__).parent
_AT_MOST = 180  # seconds for a test whose waits are for a real cluster
_WRITES = ("create", "json_patch", "merge_patch", "apply")


def pytest_collection_modifyitems(items):
    for item in items:
        if _HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_AT_MOST))


@dataclass
class Wire:
    """The way to the API server, with somebody on it who notes writes and may do something before or after one."""

    kube: Kube
    writes: list[tuple[str, str]] = field(default_factory=list)
    before: Callable[[str, str], Any] = lambda _verb, _path: None
    after: Callable[[str, str], Any] = lambda _verb, _path: None

    def __getattr__(self, name: str) -> Any:
        return partial(self._write, name) if name in _WRITES else getattr(self.kube, name)

    def _write(self, verb: str, path: str, body: Any) -> Any:
        self.before(verb, path)
        answer = getattr(self.kube, verb)(path, body)
        self.writes.append((verb, path))
        self.after(verb, path)
        return answer

    def patches(self) -> list[str]:
        """The objects of users that were patched."""
        return [path for verb, path in self.writes if verb == "json_patch"]


def once(verb: str, do: Callable[[], Any]) -> Callable[[str, str], Any]:
    """A hook that does something at the first write of this verb."""
    left = [do]

    def hook(asked: str, _path: str) -> Any:
        if asked == verb and left:
            left.pop()()

    return hook


@pytest.fixture(scope="session")
def access(cluster):
    return load_access(str(cluster.kubeconfig), cluster.context)


@pytest.fixture(scope="session")
def kube(access):
    return Kube(access)


@pytest.fixture
def wire(kube):
    return Wire(kube)


@pytest.fixture
def meddle(wire):
    """Do something once, right before or right after the next write of a verb."""

    def meddle(when: str, do: Callable[[], Any], verb: str = "json_patch") -> None:
        setattr(wire, when, once(verb, do))

    return meddle


@pytest.fixture
def gatherer(wire):
    return Gatherer(wire, stable_for=2)


@pytest.fixture
def repairer(wire, gatherer):
    return Repairer(wire, gatherer, ("prunella-system",))


@pytest.fixture(scope="session")
def api(cluster):
    return cluster.api


@pytest.fixture
def namespace(api):
    """A namespace in which healing is allowed."""
    name = a_namespace(api, "hands-", heal="enabled")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")
