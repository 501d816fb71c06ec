"""A real PostgreSQL in a folder of its own: Debian's programs, never its service.

PostgreSQL refuses to run as root, so root runs it as an unprivileged user.
"""

import os
import pwd
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from localcluster import tools
from localcluster.console import attempt, run
from localcluster.ports import free_ports

from telemetrystack.service import Service, StackError

_DEBIAN = Path("/usr/lib/postgresql")
_COMMON = Path("/etc/postgresql-common")
_UNPRIVILEGED = 65534
"""The uid of the system user that owns no files."""


def programs() -> Path:
    """The folder of PostgreSQL's programs: Debian's newest, which is not on PATH, or this machine's.

    Raises:
        ClusterError: there is none, and it cannot be installed here.
    """
    if not _initdb():
        _install()
    if not (found := _initdb()):
        raise StackError("there is no PostgreSQL on this machine, although Debian's was installed")
    return found.parent


def _initdb() -> Path | None:
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = next(reversed(versions), None) or shutil.which("initdb")
    return Path(found) if found else None


def _install() -> None:
    """The programs alone: no database of the system is made, and nothing is started."""
    if os.geteuid() == 0:
        _COMMON.mkdir(parents=True, exist_ok=True)
        (_COMMON / "createcluster.conf").write_text("create_main_cluster = false\n")
    tools.install("postgresql")


_IMAGE = {
    "POSTGRES_USER": "postgres",
    "POSTGRES_PASSWORD": "telemetry",
    "POSTGRES_INITDB_ARGS": "--encoding=UTF8 --locale=C.UTF-8",
}


class PostgreSQL(Service):
    """One instance over TCP at `address` and `port`, and through a socket in its folder.

    This class does the work of the image's start script; `variables` are the image's, `arguments` those of the server.
    """

    name = "postgresql"
    stop_signal = signal.SIGINT  # the image's: connections are cut, and all data is written to disk

    def __init__(
        self,
        log: Path | None = None,
        address: str = "127.0.0.1",
        port: int | None = None,
        variables: Mapping[str, str] = _IMAGE,
        arguments: Sequence[str] = (),
    ) -> None:
        super().__init__(log)
        self._bin = programs()
        self._data = self.folder / "data"
        self._user = _unprivileged(self.folder)
        self._variables, self._arguments = variables, arguments
        self.address, self.port = address, port or free_ports(1)[0]

    @property
    def dsn(self) -> str:
        """The URL of the database `postgres` for the superuser."""
        user, password = self._variables["POSTGRES_USER"], self._variables["POSTGRES_PASSWORD"]
        return f"postgresql://{user}:{password}@{self.address}:{self.port}/postgres"

    def prepare(self) -> None:
        """Create the data directory."""
        (word := self.folder / "password").write_text(self._variables["POSTGRES_PASSWORD"])
        word.chmod(0o644)
        self.run(
            "initdb",
            *self._variables["POSTGRES_INITDB_ARGS"].split(),
            f"--pgdata={self._data}",
            f"--username={self._variables['POSTGRES_USER']}",
            f"--pwfile={word}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
        )

    def command(self) -> list[str]:
        """The server with its arguments and its place."""
        place = {"listen_addresses": self.address, "port": self.port, "unix_socket_directories": self.folder}
        settings = [word for key, value in place.items() for word in ("-c", f"{key}={value}")]
        return [str(self._bin / "postgres"), *self._arguments, "-D", str(self._data), *settings]

    def answers(self) -> bool:
        """It takes connections."""
        return attempt(self._bin / "pg_isready", "--quiet", env=self.environment()).returncode == 0

    def environment(self) -> dict[str, str]:
        """The image's variables, and where clients find the instance."""
        path = f"{self._bin}{os.pathsep}{os.defpath}"
        found = {"PATH": path, "HOME": str(self.folder), "PGHOST": str(self.folder), "PGPORT": str(self.port)}
        return {**self._variables, **found}

    def user(self) -> Mapping[str, Any]:
        """An unprivileged user where we are root."""
        return self._user

    def crash(self) -> None:
        """End all its processes at once, without a checkpoint: the next start has to recover from the log."""
        self._end(signal.SIGQUIT)

    def kill(self) -> None:
        """End all its processes without warning (SIGKILL)."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        super().kill()
        for child in children:
            with suppress(ProcessLookupError):
                os.kill(int(child), signal.SIGKILL)

    def run(self, name: str, *arguments: str, database: str = "postgres") -> str:
        """Run a program, such as one of PostgreSQL's, as its superuser; return its output."""
        variables = {"PGUSER": self._variables["POSTGRES_USER"], "PGDATABASE": database}
        environment = {**self.environment(), **variables}
        program = shutil.which(name, path=environment["PATH"]) or name
        return run(program, *arguments, env=environment, cwd=self.folder, timeout=120, user=self._user)

    def ask(self, query: str, database: str = "postgres") -> list[list[str]]:
        """The rows of a query."""
        text = self.run("psql", "--no-psqlrc", "--csv", "--tuples-only", "--command", query, database=database)
        return [line.split(",") for line in text.splitlines()]


def _unprivileged(folder: Path) -> Mapping[str, Any]:
    """The user of its processes, to whom the folder is given."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or pwd.getpwuid(_UNPRIVILEGED)
    folder.chmod(0o755)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
