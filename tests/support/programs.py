"""Programs for tests without a cluster: those that are built for the local one, or this machine's."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from localcluster import build
from support import debian

_DEBIAN = Path("/usr/lib/postgresql")
_COMMON = Path("/etc/postgresql-common")


def program(name: str) -> Path:
    """The path of a program. Without Go and without the program the test is skipped; where CI=true it fails."""
    if shutil.which("go"):
        return build.ensure(name)
    if found := shutil.which(name):
        return Path(found)
    return _missing(f"there is no {name}, and no Go to build it with")


def postgresql() -> Path:
    """The folder of PostgreSQL's programs: Debian's newest, which is not on PATH, or this machine's."""
    problem = "" if _initdb() else _install_postgresql()
    found = _initdb()
    return found.parent if found else _missing(f"there is no PostgreSQL: {problem}")


def _initdb() -> Path | None:
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = next(reversed(versions), None) or shutil.which("initdb")
    return Path(found) if found else None


def _install_postgresql() -> str:
    """The programs alone: no database of the system is made, and nothing is started."""
    if os.geteuid() == 0:
        _COMMON.mkdir(parents=True, exist_ok=True)
        (_COMMON / "createcluster.conf").write_text("create_main_cluster = false\n")
    return debian.install("postgresql")


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
