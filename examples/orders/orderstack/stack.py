"""Everything that the order system needs, and the system itself."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

from localcluster.console import ClusterError
from localcluster.ports import free_ports
from telemetrydemo.processes import Temporal
from telemetrystack.postgresql import PostgreSQL, programs
from telemetrystack.service import Service, StackError

from orderstack.processes import Mailbox, OrderProcess
from prunella_operator.config.settings import Settings as TemporalSettings

S = TypeVar("S", bound=Service)


class Stack:
    """All parts, as a context manager. The database is that of DATABASE_URL where it is set, else one of our own.

    Temporal is a development server of our own, unless `temporal` is the address of another.
    `more` are variables of all processes of the system; `parts` are all processes by name.
    """

    def __init__(
        self,
        logs: Path,
        *,
        temporal: str = "",
        smtp_port: int | None = None,
        workers: int = 1,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._logs, self._smtp_port, self._workers = logs, smtp_port, workers
        self._more, self._temporal = more or {}, temporal
        self._stack = ExitStack()
        self.parts: dict[str, Service] = {}

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _start(self) -> None:
        self.database_url = os.environ.get("DATABASE_URL") or self._own_database()
        self.temporal_page = 0
        self.temporal_address = self._temporal or self._own_temporal()
        smtp_port = self._smtp_port or self._add("mailbox", Mailbox(self._logs / "mailbox.log")).port
        self.variables = {
            "ORDERS_DATABASE_URL": self.database_url,
            "ORDERS_TEMPORAL_ADDRESS": self.temporal_address,
            "ORDERS_SMTP_PORT": str(smtp_port),
            **self._more,
        }
        self.api = OrderProcess("api", self.variables, self._logs / "api.log")
        self.payments = self.run("payments", {"ORDERS_CALLBACK_URL": f"{self.api.url}/payments/callback"})
        self.carrier = self.run("carrier")
        self.variables |= {"ORDERS_PAYMENTS_URL": self.payments.url, "ORDERS_CARRIER_URL": self.carrier.url}
        self.workers = [self.run("worker", name=f"worker-{number}") for number in range(self._workers)]
        self._add("api", self.api)

    def run(self, command: str, more: Mapping[str, str] | None = None, *, name: str = "") -> OrderProcess:
        """Start one more process of the system; it ends with the stack."""
        variables, log = {**self.variables, **(more or {})}, self._logs / f"{name or command}.log"
        return self._add(name or command, OrderProcess(command, variables, log))

    def _add(self, name: str, part: S) -> S:
        self._stack.enter_context(part)
        self.parts[name] = part
        return part

    def _own_database(self) -> str:
        try:
            programs()
        except ClusterError as error:
            raise StackError(
                f"{error}. Install it, or set DATABASE_URL=postgresql://USER:PASSWORD@HOST/NAME"
            ) from error
        return self._add("postgresql", PostgreSQL(self._logs / "postgresql.log")).dsn

    def _own_temporal(self) -> str:
        port, self.temporal_page = free_ports(2)
        address = f"127.0.0.1:{port}"
        settings = TemporalSettings(temporal_address=address, temporal_port=port, temporal_ui_port=self.temporal_page)
        self._add("temporal", Temporal(settings, self._logs / "temporal.log"))
        return address
