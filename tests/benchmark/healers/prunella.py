"""Prunella with its default settings, and cluster budgets for many workloads that break within minutes."""

import os
from pathlib import Path

from benchmark.healer import SELECTOR
from benchmark.healers.watching import end_at_sigterm, until_stopped
from support.api import Api, Object, path_of
from support.prunella import PrunellaProcess


def policy(selector: str) -> Object:
    """Cluster budgets that do not stop the repairs of a benchmark; the label of a namespace permits them."""
    name, _, value = selector.partition("=")
    spec = {
        "namespaceSelector": {"matchLabels": {name: value}},
        "budgets": {"concurrentPerCluster": 1000, "perHourPerCluster": 1000},
    }
    meta = {"name": "benchmark"}
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": "ClusterHealingPolicy", "metadata": meta, "spec": spec}


def main() -> None:
    """Run Prunella until SIGTERM."""
    end_at_sigterm()
    kubeconfig = Path(os.environ["KUBECONFIG"])
    api, limits = Api(str(kubeconfig)), policy(os.environ[SELECTOR])
    api.apply(limits)
    try:
        with PrunellaProcess(Path.cwd(), kubeconfig) as prunella:
            until_stopped(lambda: _assert_running(prunella))
    finally:
        api.delete(path_of(limits))


def _assert_running(prunella: PrunellaProcess) -> None:
    assert prunella.running, f"prunella ended by itself:\n{prunella.tail()}"


if __name__ == "__main__":
    main()
