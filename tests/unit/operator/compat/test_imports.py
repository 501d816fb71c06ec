"""Packages kept out of a process that watches a large cluster stay importable elsewhere."""

import subprocess
import sys

import pytest

from prunella_operator.compat.import_without import hide_package


def test_a_package_is_missing_for_a_while_only():
    with hide_package("wave"), pytest.raises(ImportError):
        import wave
    import wave

    assert wave


def test_a_package_that_is_there_already_stays():
    with hide_package("json"):
        import json

        assert json.loads("1") == 1


@pytest.mark.parametrize("package", ["grpc", "kubernetes"])
def test_the_operator_does_not_import(package):
    entries = "prunella_operator.cli.main, prunella_operator.runtime.operator"
    code = f"import sys, {entries}; sys.exit({package!r} in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_tracing_still_finds_grpc():
    code = "import prunella_operator.cli.main, prunella_operator.observability.exporting"
    subprocess.run([sys.executable, "-c", code], check=True)
