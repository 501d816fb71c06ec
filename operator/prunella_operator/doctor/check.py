"""The result of one check of `prunella doctor`."""

from dataclasses import dataclass
from pathlib import Path

_WORLD_READABLE = 0o004


@dataclass(frozen=True)
class Check:
    """The result: `message` is the finding, `fix` the action to take if it did not pass."""

    name: str
    passed: bool
    message: str
    fix: str = ""


def check_not_world_readable(name: str, path: Path, what: str = "") -> Check | None:
    """The problem with the mode of a file with secrets, if any."""
    fix = f"chmod o-r {path}; for a Secret volume: set defaultMode 0440"
    problem = Check(name, passed=False, message=f"{what}{path} is world-readable", fix=fix)
    return problem if path.stat().st_mode & _WORLD_READABLE else None
