"""Real outages: components are killed by pid while workloads are healed."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml
from localcluster import instance as instances
from localcluster import processes
from localcluster.ports import free_ports
from support import samples
from support.api import Api, Object, until
from support.audit import Write
from support.cases.run import CLOSED, LAST_ACTION
from support.cluster import ROOT, Cluster
from support.deployments import a_deployment
from support.prunella import PrunellaProcess

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.views import revisions
from prunella_workflows.model import labels
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.outcome import SERVED_BY_EXISTING_PODS
from prunella_workflows.model.workload import WorkloadRef

GRACE = "2s"
WINDOW = "6s"
_GOOD_WITHIN = 90.0
_SEEN_WITHIN = 60.0
_CLOSED_WITHIN = 180.0


@dataclass(frozen=True)
class ControlPlane:
    """The components of one cluster of our own."""

    name: str

    def kill(self, *components: str) -> None:
        """SIGKILL, by the pids that the cluster knows."""
        instance = instances.load(self.name)
        assert instance, f"no cluster {self.name}"
        for component in components:
            pid = processes.pid_of(instance, component)
            assert pid, f"{component} does not run"
            os.kill(pid, signal.SIGKILL)

    def restore(self) -> None:
        """Restart what was killed, and the components that would take up to a minute to reconnect (client-go backs off
        after each failure): their backoff is not under test.
        """
        with suppress(AssertionError):
            self.kill("kubelet", "kube-controller-manager", "kube-scheduler")
        line = [sys.executable, str(ROOT / "hack" / "cluster"), "up", "--name", self.name]
        done = subprocess.run(line, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr or done.stdout


@dataclass
class WorkloadUnderTest:
    """A Deployment whose release 1 is good and whose release 2 crashes: it is rolled back, which is one write."""

    api: Api
    namespace: str
    name: str
    broken: Object = field(default_factory=dict)
    kind: str = "Deployment"

    @property
    def path(self) -> str:
        return f"{paths.collection(self.kind, self.namespace)}/{self.name}"

    def make(self) -> None:
        self.api.apply(a_deployment(self.namespace, self.name, replicas=1))

    def is_good(self) -> bool:
        """Check that Prunella has recorded release 1 as good."""
        ref = WorkloadRef(kind=self.kind, namespace=self.namespace, name=self.name)
        kept = self.api.items(paths.snapshots(self.namespace), labelSelector=revisions.snapshot_selector(ref))
        return any(revision["metadata"]["labels"][labels.SNAPSHOT] == revisions.KNOWN_GOOD for revision in kept)

    def break_it(self) -> None:
        """Release 2 ends with code 1 as soon as it starts, and never gets ready."""
        crash = {"SHOP_EXIT_CODE": "1", "SHOP_EXIT_AFTER": "100ms", "SHOP_READY": "false"}
        (self.broken,) = self.api.apply(a_deployment(self.namespace, self.name, version=2, replicas=1, env=crash))

    def live(self) -> Object:
        return self.api.get(self.path)

    @property
    def last_action(self) -> str:
        return (self.live()["metadata"].get("annotations") or {}).get(LAST_ACTION, "")

    def written(self) -> None:
        """Return as soon as the repair is on the object: its writer may not know yet."""
        until(lambda: self.last_action, _SEEN_WITHIN, f"{self.name} is repaired", every=0.01)

    def incidents(self) -> list[Object]:
        found = self.api.incidents(self.namespace)
        return [item for item in found if item["spec"].get("target", {}).get("name") == self.name]

    def phase(self) -> str:
        """The phase of its newest incident; "" while there is none."""
        newest = max(self.incidents(), key=lambda incident: incident["metadata"]["creationTimestamp"], default={})
        return (newest.get("status") or {}).get("phase", "Pending") if newest else ""

    def reaches(self, *phases: str) -> None:
        until(lambda: self.phase() in phases, _SEEN_WITHIN, f"{self.name} is in {phases}", every=0.02)

    def closed(self) -> Object:
        until(lambda: self.phase() in CLOSED, _CLOSED_WITHIN, f"the incident of {self.name} is closed")
        return self.incidents()[-1]

    def assert_healed_once(self, writes: Iterable[Write] | None) -> None:
        """Assert one incident, healed by one write: by the object's generation, which counts every write of the spec,
        and by the audit log, which may lack the line of a request during which the API server was killed.
        """
        status = self.closed()["status"]
        assert status["phase"] == "Healed", yaml.safe_dump(status)
        assert status["reason"] in {"Stable", SERVED_BY_EXISTING_PODS}, yaml.safe_dump(status)
        assert len(self.incidents()) == 1, [incident["metadata"]["name"] for incident in self.incidents()]
        assert [attempt["verdict"] for attempt in status["attempts"]] == ["Healed"], status["attempts"]
        live = self.live()
        assert live["metadata"]["generation"] == self.broken["metadata"]["generation"] + 1
        assert live["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "RELEASE", "value": "1"}]
        if writes is not None:
            made = [
                write
                for write in writes
                if write.made and write.name == self.name and write.resource == "apps/deployments"
            ]
            assert len(made) <= 1, made


class Temporal:
    """An external Temporal server, which the test starts and kills."""

    def __init__(self, folder: Path, namespace: str = "default") -> None:
        self._folder = folder
        self._namespace = namespace
        self.port, self._page = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "it is not running"
        return self._process.pid

    def start(self) -> None:
        assert self._process is None
        self._folder.mkdir(parents=True, exist_ok=True)
        program = Path(sys.executable).parent / "temporal"
        options = ["--port", self.port, "--ui-port", self._page, "--db-filename", self._folder / "temporal.db"]
        options += ["--ip", "127.0.0.1", "--namespace", self._namespace, "--log-level", "error"]
        options += ["--sqlite-pragma", "journal_mode=wal"]  # as the embedded one has it
        with (self._folder / "temporal.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(program), "server", "start-dev", *map(str, options)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """SIGKILL."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def child_of(parent: PrunellaProcess, word: str) -> int:
    """The pid of a process that `parent` started and whose command line has this word."""
    children = Path(f"/proc/{parent.pid}/task").glob("*/children")
    for pid in {int(pid) for child in children for pid in child.read_text().split()}:
        with suppress(OSError):
            if word in Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0"):
                return pid
    raise AssertionError(f"prunella has no child process {word}")


def readiness(process: PrunellaProcess) -> tuple[int, str]:
    """The code and the text of /readyz; code 0 without an answer."""
    url = f"http://127.0.0.1:{process.settings['http_port']}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


@dataclass
class SystemUnderTest:
    """One Prunella (a single process, or operator, worker and Temporal) and the workloads it heals.

    It watches its own namespaces, so that two kinds of Prunella share one cluster and each of its outages.
    """

    kind: str
    cluster: Cluster
    user: str
    processes: dict[str, PrunellaProcess]
    namespaces: tuple[str, ...]
    temporal: Temporal | None = None

    def start(self) -> None:
        """Start all processes at once."""
        if self.temporal:
            self.temporal.start()
        for process in self.processes.values():
            process.start()

    def ready(self) -> None:
        for process in self.processes.values():
            process.wait_ready()

    def stop(self) -> None:
        """End all processes, whatever their state."""
        errors = []
        for process in self.processes.values():
            try:
                process.stop()
            except AssertionError as error:
                errors.append(error)
        if self.temporal:
            self.temporal.kill()
        if errors:
            raise errors[0]

    def workloads(self, test: str, count: int) -> list[WorkloadUnderTest]:
        """New workloads of one test, in their own namespace."""
        namespace = next(namespace for namespace in self.namespaces if namespace.rpartition("-")[0].endswith(test))
        return [WorkloadUnderTest(self.cluster.api, namespace, f"{test}-{number}") for number in range(count)]

    def writes(self, namespace: str) -> list[Write] | None:
        return self.cluster.audit.writes(self.user, namespace) if self.cluster.audit else None

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        for namespace in self.namespaces:
            with suppress(Unavailable):
                for incident in self.cluster.api.incidents(namespace):
                    incident["metadata"].pop("managedFields", None)
                    yield (
                        f"{namespace} {incident['metadata']['name']}",
                        yaml.safe_dump(incident, sort_keys=False, width=140),
                    )
        for process in self.processes.values():
            yield from process.diagnostics()


def prepare(api: Api, namespace: str) -> None:
    """A namespace in which Prunella heals, quickly."""
    api.apply(samples.namespace_of(None, namespace, {"prunella-tests": "outages"}))
    api.apply(samples.policy(namespace, grace=GRACE, verification={"window": WINDOW, "timeout": "5m"}))


def all_good(workloads: list[WorkloadUnderTest]) -> None:
    """Make them and wait until Prunella knows them to be well."""
    for workload in workloads:
        workload.make()
    waiting = list(workloads)

    def good() -> bool:
        waiting[:] = [workload for workload in waiting if not workload.is_good()]
        return not waiting

    until(good, _GOOD_WITHIN, f"all of {[workload.name for workload in workloads]} are known to be good", every=0.5)


def away(seconds: float, since: float) -> None:
    """Sleep until an outage has lasted that long."""
    time.sleep(max(0.0, seconds - (time.monotonic() - since)))


def timed(log_progress: Callable[[str], None]) -> Callable[[str], None]:
    """Print the progress of a test."""
    began = time.monotonic()
    return lambda what: log_progress(f"outages: {what} ({time.monotonic() - began:.0f} s)")
