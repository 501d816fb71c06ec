"""A cluster whose control plane is killed, and Prunella behind a proxy. One seed decides everything.

PRUNELLA_CHAOS_SEED      seed of the rounds (287)
PRUNELLA_CHAOS_ROUNDS    rounds with operator, worker and Temporal apart (12; ten have each combination once)
PRUNELLA_CHAOS_WHOLE     rounds with `prunella run` (2: each combination once)
PRUNELLA_CHAOS_MORE      injections into worker, operator and Temporal in each round, besides the ten (8)
PRUNELLA_CHAOS_FIRST     the first round's number, to play one again (0)
PRUNELLA_CHAOS_LONGEST   the longest outage in seconds (30)
PRUNELLA_CHAOS_MINUTES   no round begins later (115)
PRUNELLA_CHAOS_FOLDER    folder for figures and diagnostics of failed rounds (a temporary one)
"""

import os
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from chaos.fault_injection import EXTRA_INJECTIONS
from chaos.processes import CALLERS
from chaos.proxy import Proxy
from chaos.results import ChaosResults
from chaos.run import ChaosRun
from chaos.scheduler import FaultScheduler
from localcluster import certs
from localcluster import instance as instances
from support.cluster import Cluster
from support.identity import Identity, identity
from support.outage import ControlPlane

from prunella_operator.kubernetes.access import load_access


def _number(name, usual):
    return float(os.environ.get(f"PRUNELLA_CHAOS_{name}") or usual)


@dataclass(frozen=True)
class ChaosOptions:
    """The amount of chaos, and its seed."""

    seed: str = os.environ.get("PRUNELLA_CHAOS_SEED") or "287"
    rounds: int = int(_number("ROUNDS", 12))
    single: int = int(_number("WHOLE", 2))
    more: int = int(_number("MORE", EXTRA_INJECTIONS))
    first: int = int(_number("FIRST", 0))
    longest: float = _number("LONGEST", 30)
    ends: float = field(default_factory=lambda: time.monotonic() + 60 * _number("MINUTES", 115))

    def __str__(self):
        return (
            f"PRUNELLA_CHAOS_SEED={self.seed} PRUNELLA_CHAOS_LONGEST={self.longest:g} PRUNELLA_CHAOS_MORE={self.more}"
        )


@dataclass
class ChaosEnvironment:
    """The state that all rounds share, and their counts."""

    cluster: Cluster
    account: Identity
    proxy: Proxy
    scheduler: FaultScheduler
    control_plane: ControlPlane
    results: ChaosResults
    folder: Path
    run: str
    log_progress: Callable[[str], None]

    @contextmanager
    def chaos_run(self, processes, options, *, short=False):
        """The rounds of one kind of Prunella, which is started for them."""
        with processes(self.account.kubeconfig, self.proxy, self.folder / "processes", self.control_plane) as built:
            parts = (self.cluster, self.account.user, self.run, options.seed, options.longest, built)
            made = ChaosRun(
                *parts, self.proxy, self.scheduler, self.results, self.folder, self.log_progress, short, options.more
            )
            try:
                yield made
            finally:
                self.scheduler.resume_all()
                self.scheduler.stop()
                self.control_plane.restore()
                made.delete_namespaces()


@pytest.fixture(scope="session")
def options():
    return ChaosOptions()


@pytest.fixture(scope="session")
def environment(disposable_cluster, options, tmp_path_factory, log_progress):
    """The cluster, the proxy before it, and nothing of Prunella yet."""
    cluster, scratch, run = disposable_cluster, tmp_path_factory.mktemp("chaos"), secrets.token_hex(2)
    instance = instances.load(cluster.kubeconfig.parent.name)
    if instance is None or cluster.audit is None:
        pytest.skip("chaos needs the cluster that hack/cluster builds: its processes, and its audit log")
    folder = Path(os.environ.get("PRUNELLA_CHAOS_FOLDER") or Path(tempfile.gettempdir()) / f"prunella-chaos-{run}")
    folder.mkdir(parents=True, exist_ok=True)
    pki, scheduler = certs.folder(instance), FaultScheduler(log_progress)
    with identity(cluster.api, cluster.kubeconfig, cluster.context, scratch, f"chaos-account-{run}") as account:
        cluster.audit.users.add(account.user)
        authority = load_access(str(account.kubeconfig)).ca_path
        pair = pki / "apiserver.crt", pki / "apiserver.key"
        with Proxy(cluster.api.server, authority, *pair, scheduler, callers=CALLERS) as proxy:
            control_plane = ControlPlane(instance.name)
            results = ChaosResults(folder, str(options))
            yield ChaosEnvironment(
                cluster, account, proxy, scheduler, control_plane, results, folder, run, log_progress
            )
