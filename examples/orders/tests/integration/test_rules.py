"""The example rules in promtool: each alert fires when it should, and only then."""

import subprocess
from pathlib import Path

import pytest
from support.programs import program

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120, func_only=True)]  # a first build takes minutes

CASES = Path(__file__).parent / "rules" / "cases.yaml"
RULES = Path(__file__).parents[2] / "manifests" / "rules.yaml"


@pytest.mark.parametrize(
    "arguments", [("check", "rules", "--lint=all", "--lint-fatal", RULES), ("test", "rules", CASES)]
)
def test_promtool_agrees(arguments):
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
