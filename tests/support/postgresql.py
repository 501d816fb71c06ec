"""A real PostgreSQL as the StatefulSet has it: its arguments, its roles, its passwords, at its pod's address."""

from localcluster.console import run
from support.pods import Pod
from support.programs import postgresql
from telemetrystack.postgresql import PostgreSQL


class Database(PostgreSQL):
    """One instance, over TCP at its pod's address and through a socket in its folder."""

    def __init__(self, pod: Pod) -> None:
        postgresql()
        program, *arguments = pod.command
        assert program == "postgres"
        super().__init__(pod.log, pod.address, 5432, pod.environment, arguments)
        self._pod = pod

    def prepare(self) -> None:
        """Create the data directory, and run the ConfigMap's script once, while only the socket answers."""
        super().prepare()
        self.start("-c", "listen_addresses=")
        for script in sorted(self._pod.mounted("/docker-entrypoint-initdb.d").iterdir()):
            run(script, env=self.environment(), timeout=60)
        self.stop()
