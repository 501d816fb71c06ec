"""The cluster of the demo: created and removed by hack/cluster, or an existing one that is kept."""

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from walkthrough.console import DemoError
from walkthrough.processes import run

SCRIPT = Path(__file__).resolve().parents[2] / "cluster"


@dataclass(frozen=True)
class Cluster:
    """A cluster by name, or a context of the user's kubeconfig. `options` are those of `hack/cluster up`."""

    name: str
    context: str | None
    log: Path
    options: Sequence[str] = ()

    @property
    def _command(self) -> list[str]:
        return [sys.executable, str(SCRIPT)]

    def is_running(self) -> bool:
        """True if it exists already; then it is kept when the demo ends."""
        if self.context:
            return True
        status = subprocess.run([*self._command, "status", "--name", self.name], capture_output=True, check=False)
        return status.returncode == 0

    def up(self) -> None:
        """Create it, or what is missing of it."""
        run([*self._command, "up", *self._arguments, *self.options], self.log)

    def down(self) -> None:
        """Delete it completely."""
        run([*self._command, "down", "--name", self.name], self.log)

    def kubeconfig(self) -> str | None:
        """The path of its kubeconfig; None: the user's default.

        Raises:
            DemoError: hack/cluster does not know it.
        """
        if self.context:
            return None
        command = [*self._command, "kubeconfig", "--name", self.name]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise DemoError(f"cannot find the cluster's kubeconfig: {result.stderr.strip()}")
        return result.stdout.strip()

    @property
    def _arguments(self) -> list[str]:
        return ["--context", self.context] if self.context else ["--name", self.name]
