"""Two operators at a real API server: one acts; when it is killed, paused, cut off or terminated, the other does."""

import os
import signal
import threading
import time
import urllib.error
from contextlib import ExitStack
from pathlib import Path

import pytest
from localcluster.ports import free_ports
from support.api import until
from support.deployments import a_namespace
from support.forwarder import Forwarder
from support.prunella import PrunellaProcess

from prunella_operator.kubernetes import paths

pytestmark = pytest.mark.integration

LEASE = "prunella-operator"
AT_MOST = 10.0
SETTINGS = {"leader_election": "true", "api_timeout": 5}


class Eyes:
    """Poll both without a pause: they may never lead at the same time."""

    def __init__(self, first, second):
        self._pair = (first, second)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self.looks = 0
        self.both = 0

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._end.set()
        self._thread.join(10)

    def _look(self):
        """A process that leads before and after the other was seen leading has led at the same time."""
        while not self._end.wait(0.02):
            first, second = self._pair
            self.both += leads(first) and leads(second) and leads(first)
            self.looks += 1


def figure(process, name):
    """The value of a metric; 0 when the process does not answer."""
    try:
        text = process.http("/metrics") if process.running else ""
    except OSError:
        return 0.0
    return max((float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name)), default=0.0)


def leads(process):
    return figure(process, "prunella_leader ") == 1


def sees(process):
    """It leads, and its first list of pods is read: from now on it sees faults."""
    return leads(process) and figure(process, 'prunella_watch_synced{resource="pods') == 1


def readiness(process):
    """The readiness of its parts, whether it is ready or not."""
    try:
        return process.http("/readyz")
    except urllib.error.HTTPError as error:
        return error.read().decode()


def paused(process):
    return Path(f"/proc/{process.pid}/stat").read_text().rsplit(") ", 1)[1][0] == "T"


@pytest.fixture
def space(api):
    """A namespace with a released lease, so that the first need not wait for it."""
    name = a_namespace(api, "leading-", ignore="true")
    body = {"apiVersion": paths.LEASES, "kind": "Lease", "metadata": {"name": LEASE}, "spec": {}}
    api.create(paths.leases(name), body)
    yield name
    api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture
def way(access):
    with Forwarder(access.server) as made:
        yield made


@pytest.fixture
def pair(kubeconfig, space, way, tmp_path):
    """A leader, whose way to the API server can be cut, and one that stands by. There is no Temporal."""
    settings = {
        **SETTINGS,
        "leader_lease_namespace": space,
        "namespaces": space,
        "temporal_address": f"127.0.0.1:{free_ports(1)[0]}",
    }
    first = PrunellaProcess(tmp_path / "first", way.kubeconfig(kubeconfig, tmp_path), "operator", **settings)
    second = PrunellaProcess(tmp_path / "second", kubeconfig, "operator", **settings)
    with ExitStack() as stack:
        for operator in (first, second):
            stack.callback(operator._end)
            operator.start()
            until(lambda: sees(first), 60, "the first one leads")
        second.wait_ready()  # to stand by is to be ready
        with Eyes(first, second) as eyes:
            yield first, second
        assert eyes.looks
        assert not eyes.both


def took_over(second, began, capsys, how):
    until(lambda: sees(second), 30, "the second one leads", every=0.05)
    took = time.monotonic() - began
    with capsys.disabled():
        print(f"\n  takeover after {how}: {took:.1f} s")
    return took


@pytest.fixture
def holder(api, space):
    return lambda: api.get(paths.leases(space, LEASE))["spec"].get("holderIdentity", "")


def test_a_leader_that_is_killed(pair, holder, capsys):
    first, second = pair
    before = holder()
    began = time.monotonic()
    first.kill()
    assert took_over(second, began, capsys, "kill -9") <= AT_MOST
    assert holder() not in {before, ""}


def test_a_leader_that_is_told_to_end(pair, holder, capsys):
    first, second = pair
    began = time.monotonic()
    os.kill(first.pid, signal.SIGTERM)
    assert took_over(second, began, capsys, "SIGTERM") <= 5
    first.stop()
    assert holder() != ""


def test_a_leader_that_is_paused_and_wakes(pair, holder, capsys):
    first, second = pair
    began = time.monotonic()
    os.kill(first.pid, signal.SIGSTOP)
    try:
        assert took_over(second, began, capsys, "SIGSTOP") <= AT_MOST
        assert paused(first)
    finally:
        os.kill(first.pid, signal.SIGCONT)
    until(lambda: "leader: ok" in readiness(first), 20, "it stands by")
    assert not leads(first)
    assert leads(second)
    os.kill(second.pid, signal.SIGTERM)
    until(lambda: sees(first), AT_MOST, "it leads again", every=0.05)


def test_a_leader_that_is_cut_off_and_comes_back(pair, way, capsys):
    first, second = pair
    began = time.monotonic()
    way.cut()
    assert took_over(second, began, capsys, "a cut network") <= AT_MOST
    assert "leader: the API server does not answer" in readiness(first)
    way.restore()
    until(lambda: "leader: ok" in readiness(first), 20, "it stands by")
    assert leads(second)
