"""A real PostgreSQL in a folder of its own, as the StatefulSet has it: its arguments, its roles, its passwords.

This module does the work of the image's start script. PostgreSQL refuses to run as root, so root runs it as an
unprivileged user.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Self

from support.api import until
from support.pods import Pod
from support.programs import postgresql

_UNPRIVILEGED = 65534
"""The uid of the system user that owns no files."""


class Database:
    """One instance, over TCP at its pod's address and through a socket in its folder."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._bin = postgresql()
        self.folder = Path(tempfile.mkdtemp(prefix="prunella-postgresql-"))
        self._data = self.folder / "data"
        self._as = _unprivileged(self.folder)
        self._process: subprocess.Popen[bytes] | None = None
        self.environment = {
            **pod.environment,
            "PATH": f"{self._bin}{os.pathsep}{os.defpath}",
            "HOME": str(self.folder),
            "PGHOST": str(self.folder),
        }

    def __enter__(self) -> Self:
        try:
            self._initialise()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self.stop()
        shutil.rmtree(self.folder)

    def _initialise(self) -> None:
        """Create the data directory, and run the ConfigMap's script once, while only the socket answers."""
        variables = self.environment
        (word := self.folder / "password").write_text(variables["POSTGRES_PASSWORD"])
        word.chmod(0o644)
        self.run(
            "initdb",
            *variables["POSTGRES_INITDB_ARGS"].split(),
            f"--pgdata={self._data}",
            f"--username={variables['POSTGRES_USER']}",
            f"--pwfile={word}",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
        )
        self.start("-c", "listen_addresses=")
        for script in sorted(self._pod.mounted("/docker-entrypoint-initdb.d").iterdir()):
            subprocess.run([script], env=variables, check=True, capture_output=True, text=True, timeout=60)
        self.stop()

    def start(self, *more: str) -> None:
        """Start it with the arguments of the manifest."""
        own = ("-D", self._data, "-c", f"listen_addresses={self._pod.address}")
        command = [*self._pod.command, *own, "-c", f"unix_socket_directories={self.folder}", *more]
        with self._pod.log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / command[0], *command[1:]], stdout=log, stderr=log, env=self.environment, **self._as
            )
        until(self._answers, 60, f"PostgreSQL answers: see {self._pod.log}")

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"PostgreSQL ended by itself:\n{self._pod.tail()}"
        done = subprocess.run([self._bin / "pg_isready", "--quiet"], env=self.environment, check=False)
        return done.returncode == 0

    def stop(self) -> None:
        """Stop it with the image's stop signal: connections are cut, and all data is written to disk."""
        assert self._end(signal.SIGINT) == 0, self._pod.tail()

    def crash(self) -> None:
        """Kill all processes at once, without a checkpoint: the next start has to recover from the log."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        try:
            return self._process.wait(60)
        finally:
            self._process.kill()
            self._process = None

    def run(self, name: str, *arguments: str, database: str = "postgres") -> str:
        """Run a program, such as one of PostgreSQL's, as its superuser."""
        variables = {**self.environment, "PGUSER": self.environment["POSTGRES_USER"], "PGDATABASE": database}
        done = subprocess.run(
            [shutil.which(name, path=variables["PATH"]) or name, *arguments],
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=self.folder,
            **self._as,
        )
        assert done.returncode == 0, f"{name} {arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def ask(self, query: str, database: str = "postgres") -> list[list[str]]:
        """The rows of a query."""
        text = self.run("psql", "--no-psqlrc", "--csv", "--tuples-only", "--command", query, database=database)
        return [line.split(",") for line in text.splitlines()]


def _unprivileged(folder: Path) -> dict[str, Any]:
    """The user of its processes, to whom the folder is given: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    users = {user.pw_name: user for user in pwd.getpwall()}
    user = users.get("postgres") or pwd.getpwuid(_UNPRIVILEGED)
    folder.chmod(0o755)
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
