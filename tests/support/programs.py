"""Programs for tests without a cluster: those that are built for the local one, or this machine's."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from localcluster import build

_DEBIAN = Path("/usr/lib/postgresql")


def program(name: str) -> Path:
    """The path of a program. Without Go and without the program the test is skipped; where CI=true it fails."""
    if shutil.which("go"):
        return build.ensure(name)
    if found := shutil.which(name):
        return Path(found)
    return _missing(f"there is no {name}, and no Go to build it with")


def postgresql() -> Path:
    """The folder of PostgreSQL's programs: Debian's newest, which is not on PATH, or this machine's."""
    versions = sorted(_DEBIAN.glob("*/bin/initdb"), key=lambda one: int(one.parts[-3]))
    if found := next(reversed(versions), None) or shutil.which("initdb"):
        return Path(found).parent
    return _missing("there is no PostgreSQL: install Debian's package postgresql, its own service is not needed")


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
