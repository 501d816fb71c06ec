"""manifests/temporal for real, without Kubernetes: PostgreSQL, the schema Job, the four parts of Temporal's server.

What the manifests say is what runs; only addresses, paths and passwords are this machine's.
"""

import asyncio
from contextlib import contextmanager
from pathlib import Path

import pytest
from builders import INCIDENT
from support.pods import Manifests, Net, Pod
from support.postgresql import Database
from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError
from workflow.harness import HEALED, SETTLING, Hands, begin, handle_of, performing

from prunella_operator import backlog, temporal
from prunella_operator.settings import Settings
from prunella_workflows.model.incident import Phase

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300, func_only=True)]  # a first build takes minutes

FOLDER = Path(__file__).parents[2] / "manifests" / "temporal"
PARTS = ("frontend", "history", "matching", "worker")
PASSWORDS = {"temporal-postgresql": {"postgres-password": "correct-horse", "temporal-password": "battery-staple"}}
OURS = "WorkflowType = 'SelfHealing'"


class House:
    """Everything the kustomization makes, as processes of this machine."""

    def __init__(self, folder):
        self.folder, self.manifests, self.net = folder, Manifests(FOLDER), Net()
        self.database_pod = self.pod("StatefulSet", "temporal-postgresql")
        self.net.services["temporal-postgresql"] = self.database_pod.address
        self.servers = {}
        self.database = None

    def pod(self, kind, name, as_name="", **settings):
        return Pod(self.manifests, kind, name, self.net, self.folder / (as_name or name), PASSWORDS, settings)

    def job(self, name, **settings):
        return self.pod("Job", name, **settings).run()

    def server(self, part, **settings):
        return self.pod("Deployment", f"temporal-{part}", **settings)

    @contextmanager
    def opened(self):
        with Database(self.database_pod) as self.database:
            self.job("temporal-schema")
            self.servers = {part: self.server(part) for part in PARTS}
            self.net.services["temporal-frontend"] = self.servers["frontend"].address
            try:
                self.start()
                self.job("temporal-namespace")
                yield self
            finally:
                self.kill()

    def start(self):
        for one in self.servers.values():
            one.start()
        for one in self.servers.values():
            one.wait_ready()

    def kill(self):
        for one in self.servers.values():
            one.kill()

    async def client(self):
        return await temporal.connect(self.settings, lazy=False)

    @property
    def settings(self):
        return Settings(temporal_address=f"{self.servers['frontend'].address}:7233", temporal_namespace="prunella")

    def diagnostics(self):
        for pod in (self.database_pod, *self.servers.values()):
            yield pod.name, pod.tail()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    with House(tmp_path_factory.mktemp("temporal")).opened() as made:
        yield made


def test_it_is_up(house):
    assert temporal.probe(house.settings)
