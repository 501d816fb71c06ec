"""`make run`: all parts start, and all of them end with it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.programs import postgresql

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

FOLDER = Path(__file__).parents[2]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left(number):
    postgresql()
    running = subprocess.Popen([sys.executable, "-m", "orderstack"], cwd=FOLDER, stdout=subprocess.PIPE, text=True)
    assert "logs are in" in running.stdout.readline()
    assert "The API: " in running.stdout.readline()
    parts = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
    assert len(parts) == 7
    running.send_signal(number)
    assert running.wait(120) == 0
    assert "all parts have ended" in running.stdout.read()
    running.stdout.close()
    assert [part for part in parts if Path(f"/proc/{part}").exists()] == []
