"""Temporal with PostgreSQL as manifests/temporal has it, without Kubernetes: the database, the schema, four servers.

What the manifests say is what runs; only addresses, paths and passwords are this machine's.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.cluster import ROOT
from support.pods import Manifests, Net, Pod
from support.postgresql import Database
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from prunella_operator.config.settings import Settings
from prunella_operator.temporal import client as temporal

FOLDER = ROOT / "manifests" / "temporal"
PARTS = ("frontend", "history", "matching", "worker")
_PASSWORDS = {"temporal-postgresql": {"postgres-password": "correct-horse", "temporal-password": "battery-staple"}}


class TemporalOnPostgreSQL:
    """Everything that the kustomization creates, as processes on this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.manifests, self.net = folder, Manifests(FOLDER), Net()
        self.database_pod = self.pod("StatefulSet", "temporal-postgresql")
        self.net.services["temporal-postgresql"] = self.database_pod.address
        self.database: Database
        self.servers: dict[str, Pod] = {}

    def pod(self, kind: str, name: str, as_name: str = "", **settings: str) -> Pod:
        """A pod of a workload, with variables that differ from the manifest's."""
        return Pod(self.manifests, kind, name, self.net, self.folder / (as_name or name), _PASSWORDS, settings)

    def job(self, name: str, **settings: str) -> str:
        """Run a Job to its end; return its output."""
        return self.pod("Job", name, **settings).run()

    def server(self, part: str, as_name: str = "", **settings: str) -> Pod:
        """A pod of one of the parts."""
        return self.pod("Deployment", f"temporal-{part}", as_name, **settings)

    @contextmanager
    def opened(self) -> Iterator["TemporalOnPostgreSQL"]:
        """Run all of it while the block lasts."""
        with Database(self.database_pod) as self.database:
            self.job("temporal-schema")
            self.servers = {part: self.server(part) for part in PARTS}
            self.net.services["temporal-frontend"] = self.servers["frontend"].address
            try:
                self.start()
                self.job("temporal-namespace")
                asyncio.run(self._known())
                yield self
            finally:
                self.kill()

    def start(self) -> None:
        """Start the processes that do not run, and wait until all are ready."""
        for server in self.servers.values():
            if not server.running:
                server.start()
        for server in self.servers.values():
            server.wait_ready()

    def kill(self) -> None:
        """End all parts without warning; the database keeps running."""
        for server in self.servers.values():
            server.kill()

    async def client(self) -> Client:
        """A client that is connected."""
        return await temporal.connect(self.settings, lazy=False)

    async def _known(self) -> None:
        """Wait until the server knows the new namespace: it caches for a moment that there is none."""
        client = await self.client()
        async with asyncio.timeout(30):
            while True:
                try:
                    await client.count_workflows()
                except RPCError as error:
                    if error.status is not RPCStatusCode.NOT_FOUND:
                        raise
                else:
                    return
                await asyncio.sleep(0.5)

    @property
    def settings(self) -> Settings:
        """The settings of Prunella for it."""
        return Settings(temporal_address=f"{self.servers['frontend'].address}:7233", temporal_namespace="prunella")

    @property
    def pids(self) -> dict[str, int]:
        """The ids of its processes, by name."""
        servers = {server.name: server.pid for server in self.servers.values()}
        return {self.database_pod.name: self.database.pid, **servers}

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a failed test's report."""
        for pod in (self.database_pod, *self.servers.values()):
            yield pod.name, pod.tail()
