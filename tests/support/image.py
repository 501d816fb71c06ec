"""Prunella's container images for tests: built by hack/image once for their sources, and kept in the cache."""

from pathlib import Path

from imagebuild import cached
from imagebuild.cli import variant
from localcluster import build

PRODUCTION, QUICKSTART = "requirements-image.lock", "requirements-embedded.lock"

hindrance = cached.hindrance


def archive(packages_lock: str) -> Path:
    """The image with the packages of this lock file as an OCI archive."""
    path = cached.ROOT / packages_lock
    home = build.cache_folder().parent / f"image{variant(path)}"
    return cached.archive(home, (*cached.SOURCES, packages_lock), "--lock", str(path))
