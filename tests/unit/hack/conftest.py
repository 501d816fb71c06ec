"""Shared by the tests of the developer tools."""

import tempfile

import pytest


@pytest.fixture
def own_folders(tmp_path, monkeypatch):
    """A cache and a state of the local cluster's tool that only this test has."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    with tempfile.TemporaryDirectory() as short:  # pytest's own path would be too long for sockets
        monkeypatch.setenv("XDG_STATE_HOME", short)
        yield
