"""Programs of Prometheus for tests without a cluster: those that are built for the local one, or this machine's."""

import os
import shutil
from pathlib import Path

import pytest
from localcluster import build


def program(name: str) -> Path:
    """The path of a program. Without Go and without the program the test is skipped; where CI=true it fails."""
    if shutil.which("go"):
        return build.ensure(name)
    if found := shutil.which(name):
        return Path(found)
    missing = f"there is no {name}, and no Go to build it with"
    if os.environ.get("CI") == "true":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
