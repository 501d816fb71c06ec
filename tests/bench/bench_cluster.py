"""The simulated cluster of a benchmark, and Prunella beside it: Temporal, operator and worker as processes."""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from proc import load
from support.api import Api, documents, until
from support.identity import identity
from support.outage import Temporal
from support.prunella import PrunellaProcess

ROOT = Path(__file__).parents[2]
_GOGC = "500"  # of the control plane: it shares two cores with what is measured, and memory is there
_ACCOUNT = "bench-account"
_MOUNTED = "/run/secrets/kubernetes.io/serviceaccount"
_BEGAN = time.monotonic()


def log_progress(text: str) -> None:
    """Print the progress, with time and load."""
    print(f"[{time.monotonic() - _BEGAN:5.0f} s, load {load():4.1f}] {text}", flush=True)


def cluster(command: str, *args: str) -> str:
    """Run `hack/cluster` and return its output. Raises CalledProcessError when it fails; its message is on stderr."""
    line = [sys.executable, str(ROOT / "hack" / "cluster"), command, *args]
    environment = {"GOGC": _GOGC, **os.environ}
    return subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True, env=environment).stdout.strip()


def up(name: str, nodes: int, *, audit: bool = False) -> Path:
    """Bring up a cluster of fake nodes with our resource definitions; return its kubeconfig."""
    cluster("up", "--name", name, "--simulated", "--audit" if audit else "--no-audit", "--nodes", str(nodes))
    kubeconfig = Path(cluster("kubeconfig", "--name", name))
    api = Api(str(kubeconfig))
    crds = [document for file in sorted((ROOT / "crds").glob("*.yaml")) for document in documents(file)]
    api.apply(*crds)
    until(lambda: all(api.find(_collection(crd)) for crd in crds), 60, "our resources are served")
    return kubeconfig


@contextmanager
def simulated(name: str, nodes: int, *, audit: bool = False, keep: bool = False) -> Iterator[Path]:
    """A cluster of fake nodes while the block lasts; yields its kubeconfig. Ctrl-C and SIGTERM end with code 130."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    log_progress(f"bringing up the cluster {name}")
    try:
        yield up(name, nodes, audit=audit)
    except KeyboardInterrupt:
        log_progress("interrupted; what was measured is kept")
        raise SystemExit(130) from None
    finally:
        if not keep:
            cluster("down", "--name", name)


def parser_of(about: str, examples: str, name: str, nodes: int) -> argparse.ArgumentParser:
    """A parser with the options that a benchmark in a simulated cluster has."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=about, epilog=examples, formatter_class=form)
    parser.add_argument("--nodes", type=int, default=nodes, help="fake nodes (default: %(default)s)")
    parser.add_argument("--name", default=f"bench-{name}", help="name of the cluster (default: %(default)s)")
    file = ROOT / "build" / "bench" / f"{name}.json"
    parser.add_argument("--results", type=Path, default=file, help="the file (build/bench)")
    return parser


def _collection(crd) -> str:
    spec = crd["spec"]
    return f"/apis/{spec['group']}/{spec['versions'][0]['name']}/{spec['names']['plural']}"


class InPod(PrunellaProcess):
    """A process as in a pod: its account's files are where the kubelet mounts them, in a mount namespace of its own.

    A kubeconfig would cost it more memory: the kubernetes package reads it.
    """

    def __init__(self, folder, account, server, command, **settings):
        super().__init__(folder, Path(), command, **settings)
        del self.settings["kubeconfig"]
        self._account, self._server = account, urlsplit(server)

    def line(self):
        mount = f"mount -t tmpfs none /run && mkdir -p {_MOUNTED} && mount --bind {self._account} {_MOUNTED}"
        return ["unshare", "--mount", "sh", "-c", f'{mount} && exec "$@"', "pod", *super().line()]

    def environment(self):
        found = super().environment()
        found.pop("KUBECONFIG", None)
        url = self._server
        return found | {"KUBERNETES_SERVICE_HOST": url.hostname, "KUBERNETES_SERVICE_PORT": str(url.port), "HOME": "/"}


@dataclass(frozen=True)
class Prunella:
    """The parts of Prunella: Temporal runs; operator and worker can be started."""

    temporal: Temporal
    operator: InPod
    worker: InPod


@contextmanager
def prunella(api: Api, kubeconfig: Path) -> Iterator[Prunella]:
    """Prunella with an account of its own and a running Temporal; all its data is deleted at the end."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        temporal = Temporal(folder / "temporal")
        settings = {"temporal_address": temporal.address, "log_level": "warning"}
        temporal.start()
        try:
            with identity(api, kubeconfig, None, folder, _ACCOUNT):
                (folder / "namespace").write_text(_ACCOUNT)
                parts = (InPod(folder / who, folder, api.server, who, **settings) for who in ("operator", "worker"))
                yield Prunella(temporal, *parts)
        finally:
            temporal.kill()
