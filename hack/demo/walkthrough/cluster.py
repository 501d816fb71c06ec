"""The cluster of the demo: made by hack/cluster and removed again, or one that was there before and stays."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from walkthrough.console import DemoError
from walkthrough.processes import finish

SCRIPT = Path(__file__).resolve().parents[2] / "cluster"


@dataclass(frozen=True)
class Cluster:
    """A cluster by name, or a context of the user's own kubeconfig."""

    name: str
    context: str | None
    log: Path

    @property
    def _command(self) -> list[str]:
        return [sys.executable, str(SCRIPT)]

    def running(self) -> bool:
        """Whether it is there already, so that it stays when the demo ends."""
        if self.context:
            return True
        answer = subprocess.run([*self._command, "status", "--name", self.name], capture_output=True, check=False)
        return answer.returncode == 0

    def up(self) -> None:
        """Make it."""
        finish([*self._command, "up", *self._named], self.log)

    def down(self) -> None:
        """Remove every trace of it."""
        finish([*self._command, "down", "--name", self.name], self.log)

    def kubeconfig(self) -> str | None:
        """The path of its kubeconfig; None: the user's own."""
        if self.context:
            return None
        command = [*self._command, "kubeconfig", "--name", self.name]
        answer = subprocess.run(command, capture_output=True, text=True, check=False)
        if answer.returncode:
            raise DemoError(f"the cluster's kubeconfig is not found: {answer.stderr.strip()}")
        return answer.stdout.strip()

    @property
    def _named(self) -> list[str]:
        return ["--context", self.context] if self.context else ["--name", self.name]
