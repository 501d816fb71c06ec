"""Prunella's container image for tests: built by hack/image once for its sources, and kept in the cache."""

from pathlib import Path

from imagebuild import cached
from localcluster import build

hindrance = cached.hindrance


def archive() -> Path:
    """The image as an OCI archive."""
    return cached.archive(build.cache_folder().parent / "image")
