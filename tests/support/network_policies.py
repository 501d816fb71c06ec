"""Enforce NetworkPolicies in the local cluster, whose network ignores them, by kube-router's firewall."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster import network, tools
from localcluster.console import ClusterError
from localcluster.instance import Instance
from support.api import until
from support.programs import missing, program

_SYNCED = "sync iptables took"
_CLEAN = """
iptables-save -t filter | grep -vE 'KUBE-(NWPLCY|POD-FW|ROUTER)' | iptables-restore -w 10 -T filter
ipset list -n | xargs -r -n1 ipset destroy
"""


@contextmanager
def enforced(instance: Instance, folder: Path) -> Iterator[None]:
    """Refuse all traffic that no policy allows until the block ends. Nothing of it is left in the firewall."""
    _ensure_ipset()
    router = str(program("kube-router"))
    log = folder / "kube-router.log"
    with log.open("wb") as out:
        process = subprocess.Popen(network.enter(instance, router, *_options(instance)), stdout=out, stderr=out)
    try:
        until(lambda: _SYNCED in log.read_text(), 60, f"the policies are in force: see {log}")
        yield
    finally:
        process.terminate()
        process.wait(60)
        until(lambda: _cleaned(instance), 60, "nothing of it is left in the firewall")


def _ensure_ipset() -> None:
    if shutil.which("ipset"):
        return
    try:
        tools.install("ipset")
    except ClusterError as error:
        missing(f"NetworkPolicies cannot be enforced: {error}")


def _cleaned(instance: Instance) -> bool:
    """Return False to try again: kube-proxy writes to the same tables, and a set is busy just after its last rule."""
    line = network.enter(instance, "sh", "-ec", _CLEAN)
    return subprocess.run(line, check=False, capture_output=True, timeout=60).returncode == 0


def _options(instance: Instance) -> list[str]:
    """The options for the firewall alone: other components provide routes and Services here."""
    return [
        "--run-firewall=true",
        "--run-router=false",
        "--run-service-proxy=false",
        "--run-loadbalancer=false",
        f"--kubeconfig={instance.kubeconfig}",
        f"--hostname-override={instance.node}",
        f"--service-cluster-ip-range={instance.services}",
        "--v=1",
    ]
