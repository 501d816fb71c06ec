"""Spin: makes a verifier of a model (in Promela), compiles it, and searches all states."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from support import programs

MODEL = Path(__file__).with_name("incident.pml")
_DEPTH = 10_000
_COMPLETE = "Full statespace search"
_INCOMPLETE = ("max search depth too small", "out of memory", "Search not completed")


@dataclass(frozen=True)
class Verification:
    """The output of a verifier."""

    output: str

    @property
    def complete(self) -> bool:
        """Check that every reachable state was visited."""
        return _COMPLETE in self.output and not any(words in self.output for words in _INCOMPLETE)

    @property
    def errors(self) -> int:
        """The number of violations. The search ends with the first one, unless it was told otherwise."""
        return int(re.findall(r"errors: (\d+)", self.output)[-1])

    @property
    def violation(self) -> str:
        """The first violation, such as `invalid end state`; empty when there is none."""
        found = re.search(r"^pan:1: (.*?)(?: \(at depth \d+\))?$", self.output, re.MULTILINE)
        return found[1] if found else ""


def verify(
    folder: Path, model: str, *, defines: Iterable[str] = (), cycles: bool = False, options: Iterable[str] = ()
) -> Verification:
    """Search all states of a model. With `cycles` it looks for a run without end instead of for a deadlock.

    `options` are those of the verifier. The files that the model includes are in the folder.
    """
    programs.spin()
    (folder / MODEL.name).write_text(model)
    _run(folder, "spin", *(f"-D{name}" for name in defines), "-a", MODEL.name)
    _run(folder, "gcc", "-w", "-O1", "-DNP" if cycles else "-DSAFETY", "-o", "verifier", "pan.c")
    return Verification(_run(folder, "./verifier", f"-m{_DEPTH}", *(["-l"] if cycles else []), *options))


def _run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
    return done.stdout
