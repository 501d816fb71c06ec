"""Import a library without one of its dependencies, to save memory in the process that watches a large cluster."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def hide_package(package: str) -> Iterator[None]:
    """Make imports of `package` fail inside the context, unless it is already imported."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # the import fails as if it were not installed
    try:
        yield
    finally:
        del sys.modules[package]
