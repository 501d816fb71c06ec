"""Output to people, and calls of other programs, for every command."""

import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)


class ClusterError(Exception):
    """Something the user can act on: its text says what happened and what to do. Shown without a traceback."""


def say(text: str) -> None:
    """Print one plain line; square brackets are text, not markup."""
    out.print(text, markup=False)


def run(
    *command: str | Path,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    user: Mapping[str, Any] | None = None,
) -> str:
    """Run a command to its end and return what it printed; a failure shows the command and its own words.

    `user` are the arguments of Popen that name another user.
    """
    done = attempt(*command, stdin=stdin, cwd=cwd, env=env, timeout=timeout, user=user)
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-2000:]
        raise ClusterError(f"`{shlex.join(map(str, command))}` failed ({done.returncode}): {words}")
    return done.stdout


def attempt(
    *command: str | Path,
    stdin: str | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float | None = None,
    user: Mapping[str, Any] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command whose failure is an answer."""
    arguments: Sequence[str] = [str(part) for part in command]
    try:
        return subprocess.run(
            arguments,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            cwd=cwd,
            env=env,
            timeout=timeout,
            capture_output=True,
            text=True,
            check=False,
            **(user or {}),
        )
    except FileNotFoundError as error:
        raise ClusterError(f"{arguments[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise ClusterError(f"`{shlex.join(arguments)}` gave no answer within {timeout:.0f} s") from error


def found(program: str) -> bool:
    """Is the program on PATH or where system tools live when root's PATH is short?"""
    return shutil.which(program) is not None or Path("/usr/sbin", program).exists()
