"""The servers outside of the cluster that the order system needs: PostgreSQL, Temporal and a mail server.

They listen on loopback. Pods reach them at this machine's address in the cluster's network, at the manifests' ports.
"""

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from localcluster.ports import free_ports
from localcluster.relay import Relay
from telemetrydemo.processes import Temporal
from telemetrystack.postgresql import PostgreSQL

from orderstack.processes import Mailbox
from prunella_operator.config.settings import Settings

NAME = "outside"
DATABASE_PORT, TEMPORAL_PORT, MAIL_PORT = 5432, 7233, 1025


class Outside:
    """The three servers, as a context manager."""

    def __init__(self, address: str, logs: Path) -> None:
        self.address = address
        self._logs = logs
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._start(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        database = stack.enter_context(PostgreSQL(self._logs / "postgresql.log"))
        temporal, self.temporal_page = free_ports(2)
        settings = Settings(temporal_port=temporal, temporal_ui_port=self.temporal_page)
        stack.enter_context(Temporal(settings, self._logs / "temporal.log"))
        mail = stack.enter_context(Mailbox(self._logs / "mailbox.log"))
        self.database_url = database.dsn
        self.url_for_pods = database.dsn.replace(f"{database.address}:{database.port}", f"{NAME}:{DATABASE_PORT}")
        ports = {DATABASE_PORT: database.port, TEMPORAL_PORT: temporal, MAIL_PORT: mail.port}
        for port, own in ports.items():
            stack.enter_context(Relay(("127.0.0.1", own), self.address, port))
