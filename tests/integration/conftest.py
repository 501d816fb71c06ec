"""Activities against a real API server, without an operator: called as the worker calls them."""

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcluster.ports import free_ports
from support.access_control import HOME, account, allow, in_force, installed
from support.deployments import a_namespace, gone

from prunella_operator import clock
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.activities.repair.repairer import Repairer
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_workflows.contracts.healing import Repaired, RepairOrder
from prunella_workflows.model.incident import IncidentRef

_HERE = Path(__file__).parent
_TIMEOUT_SECONDS = 180  # seconds for a test whose waits are for a real cluster
_WRITES = ("create", "json_patch", "merge_patch", "apply")


def pytest_collection_modifyitems(items):
    for item in items:
        if _HERE in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_TIMEOUT_SECONDS))


@dataclass
class RecordingClient:
    """A client of the API server that records writes and runs hooks before or after one."""

    kube: SyncClient
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


def hook_once(verb: str, do: Callable[[], Any]) -> Callable[[str, str], Any]:
    """A hook that does something at the first write of this verb."""
    left = [do]

    def hook(asked: str, _path: str) -> Any:
        if asked == verb and left:
            left.pop()()

    return hook


@pytest.fixture(scope="module", autouse=True)
def nothing_left_open():
    """Collect what a module has left, so that an unclosed connection fails that module and no later one."""
    yield
    gc.collect()


@pytest.fixture(scope="session")
def access(cluster):
    return load_access(str(cluster.kubeconfig), cluster.context)


@pytest.fixture(scope="session")
def kube(access):
    return SyncClient(access)


@pytest.fixture
def recording_client(kube):
    return RecordingClient(kube)


@pytest.fixture
def run_once_around(recording_client):
    """Do something once, immediately before or after the next write of a verb."""

    def run_once_around(when: str, do: Callable[[], Any], verb: str = "json_patch") -> None:
        setattr(recording_client, when, hook_once(verb, do))

    return run_once_around


@pytest.fixture
def evidence_collector(recording_client):
    return EvidenceCollector(recording_client, stable_for=2)


class AnnouncingRepairer:
    """A repairer whose orders are announced first, as the workflow does: otherwise a repair gets no slot."""

    def __init__(self, repairer: Repairer, api: Any) -> None:
        self._repairer = repairer
        self._api = api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repairer, name)

    def repair(self, order: RepairOrder) -> Repaired:
        return self._repairer.repair(self.announce(order))

    def announce(self, order: RepairOrder) -> RepairOrder:
        """The order, once its incident announces it."""
        incident = self._incident(order)
        attempt = {"number": 1, "actionId": order.action_id, "action": order.action.kind, "target": "Deployment/web"}
        status = {"phase": "Repairing", "attempts": [{**attempt, "startedAt": clock.now().isoformat()}]}
        path = f"{paths.incidents(incident.namespace, incident.name)}/status"
        self._api.patch(path, {"status": status})
        return order.model_copy(update={"incident": incident})

    def _incident(self, order: RepairOrder) -> IncidentRef:
        """The order's incident, created if there is none yet."""
        wanted, target = order.incident, {"kind": "Deployment", "name": order.action.target.name}
        found = self._api.find(paths.incidents(wanted.namespace, wanted.name))
        if found is None:
            body = {
                "apiVersion": "prunella.dev/v1alpha1",
                "kind": "Incident",
                "metadata": {"name": wanted.name},
                "spec": {"target": target, "type": "OOMKilled"},
            }
            found = self._api.create(paths.incidents(wanted.namespace), body)
        return IncidentRef(namespace=wanted.namespace, name=wanted.name, uid=found["metadata"]["uid"])


@pytest.fixture
def repairer(recording_client, evidence_collector, api):
    return AnnouncingRepairer(Repairer(recording_client, evidence_collector, ("prunella-system",)), api)


@pytest.fixture(scope="session")
def api(cluster):
    return cluster.api


@pytest.fixture
def namespace(api):
    """A namespace in which healing is allowed."""
    name = a_namespace(api, "hands-", heal="enabled")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def unreachable_kubeconfig(tmp_path):
    """A kubeconfig for a server that does not exist."""
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "none",
        "contexts": [{"name": "none", "context": {"cluster": "none", "user": "none"}}],
        "clusters": [{"name": "none", "cluster": {"server": f"http://127.0.0.1:{free_ports(1)[0]}"}}],
        "users": [{"name": "none", "user": {"token": "none"}}],
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(body))
    return path


@pytest.fixture(scope="module")
def accounts(api):
    """Prunella's accounts, with their roles and the policies that restrict their writes."""
    with installed(api):
        yield


@pytest.fixture(scope="module")
def system_namespace(api):
    """Prunella's namespace."""
    api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}})
    yield HOME
    gone(api, f"/api/v1/namespaces/{HOME}")


@pytest.fixture(scope="module")
def shop(api, operator):
    """A namespace that opted in."""
    name = a_namespace(api, "least-", heal="enabled")
    allow(api, name)
    in_force(api, operator, name)
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def billing(api):
    """A namespace that did not opt in."""
    name = a_namespace(api, "least-")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def worker(api, access, accounts):
    """The API server as the worker's account sees it."""
    return account(api, access, "worker")


@pytest.fixture(scope="module")
def operator(api, access, accounts):
    """The API server as the operator's account sees it."""
    return account(api, access, "operator")


@pytest.fixture(scope="module")
def console(api, access, accounts):
    """The API server as the console's account sees it."""
    return account(api, access, "console")
