"""A real TimescaleDB for its SQL alone: hypertables, policies, continuous aggregates and queries.

It is PostgreSQL 17 with TimescaleDB 2.23, compiled to WebAssembly and run by Node: one client at a time, no COPY, and
no background workers, so jobs are run by `CALL run_job(id)`. What it cannot prove, plain PostgreSQL does; what neither
does is in docs/telemetry-operations.md.
"""

from pathlib import Path

from localcluster.ports import free_ports, listens
from support import npm
from telemetrystack.service import Service

_HERE = Path(__file__).parent / "wasm"


class TimescaleDB(Service):
    """One instance, in memory; `dsn` is its URL."""

    name = "timescaledb"

    def __init__(self) -> None:
        self._installed = npm.installed("timescaledb", _HERE, "bridge.mjs")
        super().__init__()
        self._port = free_ports(1)[0]
        self.dsn = f"postgresql://postgres@127.0.0.1:{self._port}/postgres?sslmode=disable"

    def prepare(self) -> None:
        """Nothing: it keeps no files."""

    def command(self) -> list[str]:
        """The bridge to it."""
        return ["node", str(self._installed / "bridge.mjs"), str(self._port)]

    def answers(self) -> bool:
        """The bridge listens once the database is there."""
        return listens(self._port)
