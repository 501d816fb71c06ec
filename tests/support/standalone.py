"""A part of Prunella as users start it, without a cluster: only its log and its telemetry can be checked."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from localcluster.ports import free_ports

NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True)
class StandaloneProcess:
    """The process, the port of its /metrics, and its log."""

    process: subprocess.Popen
    port: int
    log: Path


@contextmanager
def standalone_process(part, folder, *, temporal=NOWHERE, **variables):
    """Run `prunella operator` or `prunella worker` until the block ends."""
    config, log, port = folder / f"{part}.kubeconfig", folder / f"{part}.log", free_ports(1)[0]
    config.write_text(json.dumps(_kubeconfig()))
    command = [sys.executable, "-m", "prunella_operator", part, "--kubeconfig", str(config)]
    command += ["--temporal-address", temporal, "--http-port", str(port), "--set", "webhook_port=0"]
    with log.open("w") as words:
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=words, stderr=words)
    try:
        yield StandaloneProcess(process, port, log)
    finally:
        process.kill()
        process.wait()


def _kubeconfig():
    return {
        "current-context": "nowhere",
        "clusters": [{"name": "nowhere", "cluster": {"server": f"http://{NOWHERE}"}}],
        "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "guest"}}],
        "users": [{"name": "guest", "user": {}}],
    }
