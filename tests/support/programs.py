"""Programs for tests without a cluster: those that are built for the local one, or this machine's."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from localcluster import build, jars, tools
from localcluster.console import ClusterError
from telemetrystack import postgresql as installed


def program(name: str) -> Path:
    """The path of a program. Without Go and without the program the test is skipped; where CI=true it fails."""
    if shutil.which("go"):
        return build.ensure(name)
    if found := shutil.which(name):
        return Path(found)
    return missing(f"there is no {name}, and no Go to build it with")


def postgresql() -> Path:
    """The folder of PostgreSQL's programs, installed where that may be done."""
    try:
        return installed.programs()
    except ClusterError as error:
        return missing(f"there is no PostgreSQL: {error}")


def kafka() -> Path:
    """The folder of Kafka's jars."""
    try:
        return jars.ensure(jars.KAFKA)
    except ClusterError as error:
        return missing(f"there is no Kafka: {error}")


def spin() -> None:
    """Spin and the compiler of its verifiers, installed where that may be done."""
    if shutil.which("spin") and shutil.which("gcc"):
        return
    try:
        tools.install("spin", "gcc", "libc6-dev")
    except ClusterError as error:
        missing(f"there is no Spin: {error}")


def missing(what: str) -> NoReturn:
    """Skip the test; where CI=true it fails."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)
