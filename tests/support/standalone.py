"""A part of Prunella as people start it, with no cluster to go to: what it says and sends is all there is to see."""

import json
import os
import subprocess
import sys
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from socket import socket

NOWHERE = "127.0.0.1:1"


@dataclass(frozen=True)
class Lonely:
    """The process, the port of its /metrics, and its log."""

    process: subprocess.Popen
    port: int
    log: Path


def free_port():
    """A port that nobody uses now."""
    with closing(socket()) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextmanager
def lonely(part, folder, *, temporal=NOWHERE, **variables):
    """`prunella operator` or `prunella worker`, until the context is left."""
    config, log, port = folder / f"{part}.kubeconfig", folder / f"{part}.log", free_port()
    config.write_text(json.dumps(_kubeconfig()))
    command = [sys.executable, "-m", "prunella_operator", part, "--kubeconfig", str(config)]
    command += ["--temporal-address", temporal, "--http-port", str(port), "--set", "webhook_port=0"]
    with log.open("w") as words:
        process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=words, stderr=words)
    try:
        yield Lonely(process, port, log)
    finally:
        process.kill()
        process.wait()


def _kubeconfig():
    return {
        "current-context": "nowhere",
        "clusters": [{"name": "nowhere", "cluster": {"server": f"http://{NOWHERE}"}}],
        "contexts": [{"name": "nowhere", "context": {"cluster": "nowhere", "user": "nobody"}}],
        "users": [{"name": "nobody", "user": {}}],
    }
