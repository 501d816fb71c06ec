"""The cluster that integration and e2e tests share: made by hack/cluster, or one that is there already.

PRUNELLA_TEST_CLUSTER    the name of our own instance (prunella-test)
PRUNELLA_TEST_CONTEXT    use this context of the usual kubeconfig instead
PRUNELLA_TEST_KUBERNETES the minor version of our own instance, such as 1.36 (the usual one)
PRUNELLA_KEEP_CLUSTER=1  leave it running at the end
"""

import fcntl
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from localcluster import sources
from support.api import Api, Object, documents, until
from support.audit import AuditLog

ROOT = Path(__file__).parents[2]
_SCRIPT = ROOT / "hack" / "cluster"
_CANNOT = "No cluster can be made here"
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_UP_TIMEOUT_SECONDS = 30 * 60  # everything is built from source the first time


class NoCluster(Exception):
    """This machine cannot have a cluster; the text says what to install."""


class ClusterBroken(Exception):
    """Bringing the cluster up failed although this machine can have one: a failure, not a reason to skip."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster with our CRDs in it."""

    kubeconfig: Path
    context: str | None
    api: Api
    audit: AuditLog | None
    node_address: str = ""

    def kubectl(self, *arguments: str, timeout: float = 60) -> str:
        """Run kubectl and return its output.

        Raises:
            subprocess.CalledProcessError: it ended with another code than 0.
        """
        program = shutil.which("kubectl")
        assert program, "kubectl is not installed"
        context = ["--context", self.context] if self.context else []
        command = [program, "--kubeconfig", str(self.kubeconfig), *context, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout


class ClusterManager:
    """Brings the cluster up at the first test that wants it, and down at the end if it was not there before.

    One test run at a time has a cluster: two Prunellas would heal each other's faults.
    """

    def __init__(self, log_progress: Callable[[str], None], name: str | None = None, *options: str) -> None:
        self._log_progress = log_progress
        self._options = (*options, *_version())  # of `hack/cluster up`
        self._name = name or os.environ.get("PRUNELLA_TEST_CLUSTER") or "prunella-test"
        self._context = os.environ.get("PRUNELLA_TEST_CONTEXT") or None
        self._ours = False
        self._lock: IO[str] | None = None
        self.cluster: Cluster | None = None
        self.error: NoCluster | ClusterBroken | None = None

    def ensure(self) -> None:
        """Bring it up outside every test, so that no test's time limit counts the minutes of a first build."""
        if self.cluster or self.error:
            return
        self._lock_cluster()
        try:
            self.cluster = self._up()
        except (NoCluster, ClusterBroken) as error:
            self.error = error

    def release(self) -> None:
        """Take down what was made here."""
        if self._ours and os.environ.get("PRUNELLA_KEEP_CLUSTER") != "1":
            self._log_progress(f"taking cluster `{self._name}` down")
            done = self._run("down", *self._cluster_options)
            if done.returncode:
                self._log_progress(f"cluster `{self._name}` could not be taken down:\n{done.stderr}")
        self._ours = False
        if self._lock:
            self._lock.close()
            self._lock = None

    def _lock_cluster(self) -> None:
        path = Path(tempfile.gettempdir()) / f"prunella-tests-{self._context or self._name}.lock".replace("/", "-")
        self._lock = path.open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._log_progress(f"another test run has cluster `{self._context or self._name}`: waiting for its end")
            fcntl.flock(self._lock, fcntl.LOCK_EX)

    @property
    def _cluster_options(self) -> tuple[str, ...]:
        return ("--context", self._context) if self._context else ("--name", self._name)

    def _up(self) -> Cluster:
        running = self._run("status", *self._cluster_options).returncode == 0
        if not running:
            self._log_progress(f"making cluster `{self._name}`: minutes the first time, then seconds")
            self._ours = not self._context
        done = self._run("up", *self._cluster_options, *self._options)
        if done.returncode:
            text = (done.stderr.strip() or done.stdout.strip()).removeprefix("error: ")
            self._ours = self._ours and _CANNOT not in text
            raise NoCluster(text) if _CANNOT in text else ClusterBroken(text)
        self._use_kubectl()
        kubeconfig = Path(self._run("kubeconfig", *self._cluster_options).stdout.strip())
        audit = kubeconfig.parent / "audit.log"
        api = Api(str(kubeconfig), self._context)
        install_crds(api)
        return Cluster(kubeconfig, self._context, api, AuditLog(audit) if audit.exists() else None)

    def _use_kubectl(self) -> None:
        """The kubectl that was built with the cluster, for all tests."""
        for line in self._run("env", *self._cluster_options).stdout.splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            folder = shlex.split(value.removesuffix(":$PATH"))
            if name == "PATH" and folder:
                os.environ["PATH"] = f"{folder[0]}{os.pathsep}{os.environ['PATH']}"

    @staticmethod
    def _run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, str(_SCRIPT), command, *arguments]
        return subprocess.run(line, capture_output=True, text=True, timeout=_UP_TIMEOUT_SECONDS, check=False)


@contextmanager
def dedicated_cluster(log_progress: Callable[[str], None], name: str, *options: str) -> Iterator[Cluster]:
    """A cluster that no other test uses. Skips where none can be made; where CI=true that fails."""
    manager = ClusterManager(log_progress, name, *options)
    try:
        manager.ensure()
        if isinstance(manager.error, NoCluster) and os.environ.get("CI") != "true":
            pytest.skip(f"no cluster can be made here: {manager.error}")
        assert manager.cluster, manager.error
        yield manager.cluster
    finally:
        manager.release()


def _version() -> tuple[str, ...]:
    """The option for the version of Kubernetes that was asked for.

    Raises:
        ClusterError: there is no such version.
    """
    minor = os.environ.get("PRUNELLA_TEST_KUBERNETES", "")
    sources.kubernetes(minor)
    return ("--kubernetes", minor) if minor else ()


def install_crds(api: Api) -> None:
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        for document in documents(path):
            define(api, document)


def define(api: Api, definition: Object) -> None:
    """Make objects of a kind possible, and wait until they are."""
    name = definition["metadata"]["name"]
    api.apply(definition)
    until(lambda: _served(api, name), 30, f"{name} is served")


def _served(api: Api, name: str) -> bool:
    found = api.get(f"{_CRDS}/{name}")
    conditions = {
        condition["type"]: condition["status"] for condition in (found.get("status") or {}).get("conditions") or ()
    }
    group, plural = found["spec"]["group"], found["spec"]["names"]["plural"]
    listed = all(
        api.find(f"/apis/{group}/{version['name']}/{plural}") is not None
        for version in found["spec"]["versions"]
        if version["served"]
    )
    return conditions.get("Established") == "True" and listed
