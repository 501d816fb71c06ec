"""Java programs: jars from Maven, pinned in a pom beside the Go modules, fetched once into the cache."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from localcluster import build, tools
from localcluster.console import found, run, say

MAVEN_FOLDER = Path(__file__).resolve().parent.parent / "maven"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


@dataclass(frozen=True)
class Jars:
    """The dependencies of one pom.xml."""

    name: str

    @property
    def pom(self) -> Path:
        """The file with the versions."""
        return MAVEN_FOLDER / self.name / "pom.xml"

    @property
    def folder(self) -> Path:
        """The folder in the cache: changes with the pom."""
        return build.cache_folder() / f"{self.name}-{hashlib.sha256(self.pom.read_bytes()).hexdigest()[:16]}"


KAFKA = Jars("kafka")


def ensure(jars: Jars) -> Path:
    """The folder with the jars, fetched if they are missing.

    Raises:
        ClusterError: Java or Maven is missing and cannot be installed here, or Maven failed.
    """
    if not found("java"):
        tools.install("default-jre-headless")
    if not jars.folder.exists():
        build.cache_folder().mkdir(parents=True, exist_ok=True)
        with build.one_builder_at_a_time():
            if not jars.folder.exists():
                _fetch(jars)
    return jars.folder


def _fetch(jars: Jars) -> None:
    """Fetch into a temporary folder and rename it: a folder under its real name is whole."""
    if not found("mvn"):
        tools.install("maven")
    began, partial = time.monotonic(), jars.folder.with_name(f".{jars.folder.name}.{os.getpid()}")
    say(f"fetching the jars of {jars.name} with Maven")
    run(
        "mvn",
        "--batch-mode",
        "--quiet",
        "--strict-checksums",
        _COPY,
        f"-DoutputDirectory={partial}",
        cwd=jars.pom.parent,
    )
    partial.rename(jars.folder)
    say(f"fetched {jars.name} ({time.monotonic() - began:.0f} s)")
