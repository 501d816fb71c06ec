"""`make telemetry`: from OTLP to an alert, through everything that is real without a cluster.

Each run takes minutes, in which it mostly waits: `make test` plays one, `make chaos` the other as well.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support import programs

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--fault=errors", "--part=new-pods"], r"payment +ErrorRate \(critical\) .* payment +NewPods"),
        pytest.param(
            ["--fault=latency", "--part=one-pod", "--service=catalog"],
            r"catalog +Latency .* catalog +OnePod",
            marks=pytest.mark.chaos,
        ),
    ],
)
def test_a_fault_becomes_an_alert_with_its_origin_and_its_part(tmp_path, options, expected):
    programs.kafka()
    programs.postgresql()
    programs.program("collector")
    command = [sys.executable, ROOT / "hack" / "telemetry", "demo", "--once", "--state", tmp_path, *options]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=600, check=False, env={**os.environ, "COLUMNS": "200"}
    )
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{(tmp_path / 'worker.log').read_text()}"
    assert re.search(expected, done.stdout), done.stdout
