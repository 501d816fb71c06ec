"""The packages of the distribution prunella-client; tests/integration/test_client.py runs it."""

import tomllib
from pathlib import Path

from support.cluster import ROOT


def dependencies(folder):
    return set(tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]["dependencies"])


def test_bounds_of_packages_are_those_of_prunella():
    whole, client = dependencies(Path()), dependencies(Path("client"))
    assert client - whole == {"opentelemetry-api>=1.45,<2"}
    assert "opentelemetry-sdk>=1.45,<2" in whole  # which needs it


def test_the_pinned_packages_are_few():
    lock = (ROOT / "requirements-client.lock").read_text().splitlines()
    assert not {"temporalio", "kopf", "numpy", "cryptography"} & {line.partition("==")[0] for line in lock}
