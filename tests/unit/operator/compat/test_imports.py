"""What must not be in a process that watches a large cluster, and that it can be had by those who need it."""

import subprocess
import sys

import pytest

from prunella_operator.compat.import_without import without


def test_a_package_is_missing_for_a_while_only():
    with without("wave"), pytest.raises(ImportError):
        import wave
    import wave

    assert wave


def test_a_package_that_is_there_already_stays():
    with without("json"):
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
