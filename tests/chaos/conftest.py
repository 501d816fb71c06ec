"""A cluster whose control plane is killed, and Prunella behind a proxy. One seed decides everything.

PRUNELLA_CHAOS_SEED      of the rounds (287)
PRUNELLA_CHAOS_ROUNDS    how many rounds with operator, worker and Temporal apart (12; ten are each combination once)
PRUNELLA_CHAOS_WHOLE     how many rounds with `prunella run` (2: each combination once)
PRUNELLA_CHAOS_MORE      strikes at worker, operator and Temporal in each round, besides the ten (8)
PRUNELLA_CHAOS_FIRST     the first round's number, to play one again (0)
PRUNELLA_CHAOS_LONGEST   the longest outage in seconds (30)
PRUNELLA_CHAOS_MINUTES   no round begins later (115)
PRUNELLA_CHAOS_FOLDER    where figures and what is known of failed rounds are put (a folder in the temporary one)
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
from chaos.director import Director
from chaos.figures import Figures
from chaos.house import CALLERS
from chaos.proxy import Proxy
from chaos.season import Season
from chaos.strikes import MORE
from localcluster import certs
from localcluster import instance as instances
from support.cluster import Cluster
from support.identity import Identity, identity
from support.outage import ControlPlane

from prunella_operator.kubernetes.access import load_access


def _number(name, usual):
    return float(os.environ.get(f"PRUNELLA_CHAOS_{name}") or usual)


@dataclass(frozen=True)
class Chosen:
    """How much chaos."""

    seed: str = os.environ.get("PRUNELLA_CHAOS_SEED") or "287"
    rounds: int = int(_number("ROUNDS", 12))
    whole: int = int(_number("WHOLE", 2))
    more: int = int(_number("MORE", MORE))
    first: int = int(_number("FIRST", 0))
    longest: float = _number("LONGEST", 30)
    ends: float = field(default_factory=lambda: time.monotonic() + 60 * _number("MINUTES", 115))

    def __str__(self):
        return (
            f"PRUNELLA_CHAOS_SEED={self.seed} PRUNELLA_CHAOS_LONGEST={self.longest:g} PRUNELLA_CHAOS_MORE={self.more}"
        )


@dataclass
class Stand:
    """What all rounds share, and what was counted in them."""

    cluster: Cluster
    account: Identity
    proxy: Proxy
    director: Director
    plane: ControlPlane
    figures: Figures
    folder: Path
    run: str
    say: Callable[[str], None]

    @contextmanager
    def season(self, house, chosen, *, short=False):
        """The rounds of one kind of Prunella, which is started for them."""
        with house(self.account.kubeconfig, self.proxy, self.folder / "processes", self.plane) as built:
            parts = (self.cluster, self.account.user, self.run, chosen.seed, chosen.longest, built)
            made = Season(*parts, self.proxy, self.director, self.figures, self.folder, self.say, short, chosen.more)
            try:
                yield made
            finally:
                self.director.wake()
                self.director.rest()
                self.plane.mend()
                made.end()


@pytest.fixture(scope="session")
def chosen():
    return Chosen()


@pytest.fixture(scope="session")
def stand(struck_cluster, chosen, tmp_path_factory, say):
    """The cluster, the proxy before it, and nothing of Prunella yet."""
    cluster, scratch, run = struck_cluster, tmp_path_factory.mktemp("chaos"), secrets.token_hex(2)
    instance = instances.load(cluster.kubeconfig.parent.name)
    if instance is None or cluster.audit is None:
        pytest.skip("chaos needs the cluster that hack/cluster builds: its processes, and its audit log")
    folder = Path(os.environ.get("PRUNELLA_CHAOS_FOLDER") or Path(tempfile.gettempdir()) / f"prunella-chaos-{run}")
    folder.mkdir(parents=True, exist_ok=True)
    pki, director = certs.folder(instance), Director(say)
    with identity(cluster.api, cluster.kubeconfig, cluster.context, scratch, f"chaos-account-{run}") as account:
        cluster.audit.users.add(account.user)
        authority = load_access(str(account.kubeconfig)).ca_path
        pair = pki / "apiserver.crt", pki / "apiserver.key"
        with Proxy(cluster.api.server, authority, *pair, director, callers=CALLERS) as proxy:
            plane = ControlPlane(instance.name)
            figures = Figures(folder, str(chosen))
            yield Stand(cluster, account, proxy, director, plane, figures, folder, run, say)
