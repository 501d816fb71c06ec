"""Libraries import others that we do not need of them; a process that watches a large cluster has no room for those."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without(package: str) -> Iterator[None]:
    """What is imported meanwhile finds no such package, unless it is there already. Afterwards it can be imported."""
    if package in sys.modules:
        yield
        return
    sys.modules[package] = None  # type: ignore[assignment]  # makes the import fail, as where it is not installed
    try:
        yield
    finally:
        del sys.modules[package]
