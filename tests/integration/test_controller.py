"""The controller of incidents must come back when kopf gave up on an API server that refuses it."""

import asyncio
import secrets

import pytest
from fakes.apiserver import eventually
from support.deployments import a_namespace
from support.identity import identity

from prunella_operator.incidents import controller
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.async_client import AsyncClient

pytestmark = pytest.mark.integration


class Alerts:
    """Alerts that none of these incidents has."""

    async def incident_changed(self, *_):
        pass


def make(access, rest, starter, namespaces):
    return controller.Controller(access, rest, starter, Alerts(), namespaces, on_ended=lambda _namespace: None)


class Noted:
    """A starter that records the controller's calls."""

    def __init__(self):
        self.started = []

    async def start(self, incident):
        self.started.append(incident.metadata.name)


@pytest.fixture
def space(api):
    name = a_namespace(api, "controller-", ignore="true")
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def quick(monkeypatch):
    """kopf gives up after a moment instead of a minute."""
    usual = controller._settings

    def impatient():
        settings = usual()
        settings.networking.error_backoffs = [0.05]
        return settings

    monkeypatch.setattr(controller, "_settings", impatient)
    monkeypatch.setattr(controller, "_RETRY_INTERVAL_SECONDS", 0.5)


@pytest.mark.usefixtures("quick")
async def test_it_comes_back_when_it_is_allowed_again_and_ends_when_it_is_told(cluster, api, space, tmp_path):
    name = f"controller-{secrets.token_hex(2)}"
    with identity(api, cluster.kubeconfig, cluster.context, tmp_path, name) as account:
        binding = f"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}"
        rights = api.get(binding)
        api.delete(binding)  # it may do nothing, for now
        starter = Noted()
        access = load_access(str(account.kubeconfig))
        async with AsyncClient(access) as rest, make(access, rest, starter, (space,)) as subject:
            await asyncio.sleep(3)
            assert starter.started == []
            meta = {"name": name}
            kept = {key: rights[key] for key in ("apiVersion", "kind", "subjects", "roleRef")}
            await asyncio.to_thread(api.create, binding.rpartition("/")[0], {**kept, "metadata": meta})
            incident = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "one"}}
            spec = {"type": "Other", "target": {"kind": "Deployment", "name": "web"}, "suspend": True}
            await asyncio.to_thread(api.create, paths.incidents(space), {**incident, "spec": spec})
            await eventually(lambda: starter.started == ["one"], within=30)
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 8
        assert not subject._thread.is_alive()
