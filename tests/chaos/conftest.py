"""A cluster of its own, a Temporal, and operator and worker behind a proxy, for all rounds.

PRUNELLA_CHAOS_SEED      what decides everything (287: each victim, and nine of the ten points)
PRUNELLA_CHAOS_ROUNDS    how many rounds (1)
PRUNELLA_CHAOS_FIRST     the first round's number, to play one again (0)
PRUNELLA_CHAOS_STRIKES   how many outages in each round (3; `make chaos`: 10)
PRUNELLA_CHAOS_LONGEST   the longest outage in seconds (5; `make chaos`: 30)
PRUNELLA_CHAOS_CLUSTER   the name of the cluster (prunella-chaos)
"""

import os
import secrets
from dataclasses import dataclass

import pytest
import yaml
from chaos.director import Component, Director, Part, Server
from chaos.proxy import Proxy
from chaos.season import Season
from localcluster import certs
from localcluster import instance as instances
from support.cluster import Keeper, NoCluster
from support.identity import identity
from support.outage import ControlPlane, Temporal
from support.prunella import PrunellaProcess

from prunella_operator.cluster.access import load_access

_NAME = "prunella-chaos"


@dataclass(frozen=True)
class Chosen:
    """How much chaos."""

    seed: str = os.environ.get("PRUNELLA_CHAOS_SEED") or "287"
    rounds: int = int(os.environ.get("PRUNELLA_CHAOS_ROUNDS") or 1)
    first: int = int(os.environ.get("PRUNELLA_CHAOS_FIRST") or 0)
    strikes: int = int(os.environ.get("PRUNELLA_CHAOS_STRIKES") or 3)
    longest: float = float(os.environ.get("PRUNELLA_CHAOS_LONGEST") or 5)

    def __str__(self):
        each = f"PRUNELLA_CHAOS_STRIKES={self.strikes} PRUNELLA_CHAOS_LONGEST={self.longest:g}"
        return f"PRUNELLA_CHAOS_SEED={self.seed} {each}"


@pytest.fixture(scope="session")
def chosen():
    return Chosen()


@pytest.fixture(scope="session")
def chaos_cluster(say):
    """Nobody else's: its API server and etcd are killed."""
    if os.environ.get("PRUNELLA_TEST_CONTEXT"):
        pytest.skip("chaos needs a cluster of our own: it kills its API server")
    keeper = Keeper(say, os.environ.get("PRUNELLA_CHAOS_CLUSTER") or _NAME)
    try:
        keeper.ensure()
        if isinstance(keeper.error, NoCluster) and os.environ.get("CI") != "true":
            pytest.skip(f"no cluster can be made here: {keeper.error}")
        assert keeper.cluster, keeper.error
        if instances.load(keeper.cluster.kubeconfig.parent.name) is None or keeper.cluster.audit is None:
            pytest.skip("chaos needs the cluster that hack/cluster builds: its processes, and its audit log")
        yield keeper.cluster
    finally:
        keeper.release()


@pytest.fixture(scope="session")
def season(chaos_cluster, chosen, tmp_path_factory, say):
    """Everything that is struck, up and running."""
    cluster, folder, run = chaos_cluster, tmp_path_factory.mktemp("chaos"), secrets.token_hex(2)
    instance = instances.load(cluster.kubeconfig.parent.name)
    pki, temporal, plane = certs.folder(instance), Temporal(folder / "temporal"), ControlPlane(instance.name)
    with identity(cluster.api, cluster.kubeconfig, cluster.context, folder, f"chaos-account-{run}") as account:
        cluster.audit.users.add(account.user)
        parts, victims = {}, {}
        director = Director(victims, say)
        authority = load_access(str(account.kubeconfig)).ca_path
        with Proxy(cluster.api.server, authority, pki / "apiserver.crt", pki / "apiserver.key", director) as proxy:
            settings = {"temporal_address": temporal.address, "known_good_after": 2, "api_timeout": 5}
            for who in ("operator", "worker"):
                behind = _behind(account.kubeconfig, who, proxy.ports[who])
                parts[who] = PrunellaProcess(folder / who, behind, who, **settings)
                victims[who] = Part(parts[who])
            victims["temporal"] = Server(temporal)
            victims.update({name: Component(plane, name) for name in ("kube-apiserver", "etcd")})
            made = Season(cluster, account.user, run, chosen, proxy, director, parts, temporal, folder, say)
            try:
                temporal.start()
                for one in parts.values():
                    one.start()
                for one in parts.values():
                    one.wait_ready()
                yield made
            finally:
                made.end()
                plane.mend()


def _behind(kubeconfig, who, port):
    """The same account, by way of the proxy."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{port}"
    path = kubeconfig.with_name(f"kubeconfig-{who}")
    path.write_text(yaml.safe_dump(config))
    return path
