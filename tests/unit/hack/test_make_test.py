"""`make test`: its runs of pytest play every test once, and only one of them has the cluster that is shared."""

import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from support.programs import missing

ROOT = Path(__file__).parents[3]
FOLDERS = ("tests", "examples/orders/tests")


def dry_run():
    """The arguments of pytest in each run of `make test`."""
    environment = {"PATH": os.environ["PATH"]}  # without the options of a make that runs the tests
    try:
        lines = subprocess.check_output(
            ["make", "--dry-run", "test", "TEST_ARGS="], cwd=ROOT, env=environment, text=True
        )
    except FileNotFoundError:
        missing("there is no make")
    return [shlex.split(words) for words in re.findall(r"-m pytest ([^>\n]*)", lines)]


def ignored(words):
    return {after for word, after in pairwise(words) if word == "--ignore"}


def played(words):
    """The folders of a run."""
    return {word for word in words if word.startswith(FOLDERS)} - ignored(words)


def is_in(path, folders):
    return any(path.is_relative_to(folder) for folder in folders)


def test_every_test_is_in_one_run():
    runs = dry_run()
    files = [path.relative_to(ROOT) for folder in FOLDERS for path in (ROOT / folder).rglob("test_*.py")]
    counts = {
        str(path): sum(is_in(path, played(words)) and not is_in(path, ignored(words)) for words in runs)
        for path in files
    }
    assert {path: count for path, count in counts.items() if count != 1} == {}


@pytest.mark.timeout(300)
def test_the_run_beside_the_cluster_does_not_use_it():
    (local,) = (played(words) for words in dry_run() if "tests/workflow" in played(words))
    line = [sys.executable, "-m", "pytest", "-q", "--fixtures-per-test", "-p", "no:randomly", *sorted(local)]
    shown = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240).stdout
    assert "fixtures used by test_" in shown
    assert not re.findall(r"^cluster\b.*", shown, re.MULTILINE)
