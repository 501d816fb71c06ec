"""A real TimescaleDB for its SQL alone: hypertables, policies, continuous aggregates and queries.

It is PostgreSQL 17 with TimescaleDB 2.23, compiled to WebAssembly and run by Node: one client at a time, no COPY, and
no background workers, so jobs are run by `CALL run_job(id)`. What it cannot prove, plain PostgreSQL does; what neither
does is in docs/telemetry-operations.md.
"""

import hashlib
import os
import shutil
from pathlib import Path

from localcluster import build
from localcluster.console import ClusterError, run
from localcluster.ports import free_ports, listens
from support.programs import missing
from telemetrystack.service import Service

_HERE = Path(__file__).parent / "wasm"
_FILES = ("package.json", "package-lock.json", "bridge.mjs")


class TimescaleDB(Service):
    """One instance, in memory; `dsn` is its URL."""

    name = "timescaledb"

    def __init__(self) -> None:
        self._installed = _install()
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


def _install() -> Path:
    """The folder with its package, fetched once; npm checks the package's sha512 against package-lock.json."""
    digest = hashlib.sha256(b"".join((_HERE / name).read_bytes() for name in _FILES)).hexdigest()[:16]
    folder = build.cache_folder() / f"timescaledb-{digest}"
    if not folder.exists():
        if not (shutil.which("node") and shutil.which("npm")):
            missing("there is no TimescaleDB: it is fetched by npm and run by Node, and one of them is not installed")
        build.cache_folder().mkdir(parents=True, exist_ok=True)
        with build.one_builder_at_a_time():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    partial.mkdir()
    for name in _FILES:
        shutil.copy(_HERE / name, partial)
    try:
        run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=partial)
    except ClusterError as error:
        shutil.rmtree(partial)
        missing(f"there is no TimescaleDB: {error}")
    partial.rename(folder)
