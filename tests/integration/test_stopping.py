"""Termination at any moment: immediate, orderly, and without log lines that look like a crash. Needs no cluster."""

import os
import signal
import time
from contextlib import suppress

import pytest
from localcluster.ports import free_ports
from support.api import until
from support.outage import child_of
from support.prunella import PrunellaProcess

pytestmark = pytest.mark.timeout(60)

SIGNALS = pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])


@pytest.fixture
def process(tmp_path, unreachable_kubeconfig):
    made = []

    def start(command):
        away = {} if command == "run" else {"temporal_address": f"127.0.0.1:{free_ports(1)[0]}"}
        made.append(PrunellaProcess(tmp_path / command, unreachable_kubeconfig, command, **away))
        made[0].start()
        return made[0]

    yield start
    for process in made:
        process._end()


def ended(process, how):
    began = time.monotonic()
    os.kill(process.pid, how)
    code = process._process.wait(30)
    took = time.monotonic() - began
    left = process._end()
    assert not left, left
    said = process.log.read_text()
    assert "Traceback" not in said, said
    return code, took


@SIGNALS
@pytest.mark.parametrize("command", ["run", "operator", "worker"])
def test_while_nothing_answers(process, command, how):
    """No API server and (except with `run`) no Temporal: it logs that, keeps running, and ends on a signal."""
    running = process(command)
    until_logged(running, "prunella is up")
    time.sleep(1)
    code, took = ended(running, how)
    assert code == 0
    assert took < 10


@SIGNALS
def test_while_temporal_is_being_started(process, how):
    """The embedded server needs seconds to respond; no process is left behind, nor is the server."""
    running = process("run")
    until(lambda: started(running), 30, "its Temporal is started", every=0.02)
    code, took = ended(running, how)
    assert code == 0
    assert took < 10


def started(process):
    with suppress(AssertionError):
        return child_of(process, "start-dev")


@pytest.mark.parametrize("after", [0.3, 1.0])
def test_while_it_is_still_loading(process, after):
    """Before its signal handlers are installed, SIGTERM ends it like any program."""
    running = process("run")
    time.sleep(after)
    code, took = ended(running, signal.SIGTERM)
    assert code in {0, -signal.SIGTERM}
    assert took < 10


def until_logged(process, words, seconds=30):
    end = time.monotonic() + seconds
    while words not in process.log.read_text():
        assert process.running, process.tail()
        assert time.monotonic() < end, process.tail()
        time.sleep(0.05)
