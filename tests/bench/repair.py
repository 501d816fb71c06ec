"""The time to repair a fault: real pods that crash on a real kubelet, with a grace period of 0 s.

Brings up a cluster of its own (`hack/cluster up`), runs `prunella run`, breaks the releases of some services one
after the other, and measures from the Incidents: fault to Incident, Incident to the write of the repair, and the end.

    python tests/bench/repair.py --services 20
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from support import samples  # noqa: E402
from support.api import Api, documents, until  # noqa: E402
from support.prunella import PrunellaProcess  # noqa: E402

NAMESPACE = "bench-repair"
STEPS = {
    "fault (kubelet's clock, whole seconds) to Incident": ("faultAt", "detectedAt"),
    "Incident to workflow": ("detectedAt", "startedAt"),
    "Incident to diagnosis": ("detectedAt", "diagnosedAt"),
    "Incident to the repair's write": ("detectedAt", "repairedAt"),
    "write to healed (window 6 s included)": ("repairedAt", "healedAt"),
}


def cluster(*args):
    command = [sys.executable, str(ROOT / "hack/cluster"), *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def service(file, number):
    deployment = samples.deployment(samples.load("bad-release", file, NAMESPACE))
    deployment["metadata"]["name"] = f"service-{number}"
    deployment["spec"]["replicas"] = 1
    labels = {"app": f"service-{number}"}
    deployment["spec"]["selector"]["matchLabels"] = deployment["spec"]["template"]["metadata"]["labels"] = labels
    return deployment


def play(api, services, pause):
    api.apply(samples.namespace_of(None, NAMESPACE, {}))
    free = {"concurrentPerNamespace": 1000, "perHourPerNamespace": 1000}
    api.apply(samples.policy(NAMESPACE, grace="0s", budgets=free))
    api.apply(*(service("before.yaml", number) for number in range(services)))
    kept = f"/apis/apps/v1/namespaces/{NAMESPACE}/controllerrevisions"
    selector = "prunella.dev/snapshot=known-good"
    until(lambda: len(api.items(kept, labelSelector=selector)) == services, 300, "all templates are known as good")
    for number in range(services):
        api.apply(service("break.yaml", number))
        time.sleep(pause)

    def closed():
        incidents = api.incidents(NAMESPACE)
        return [incident for incident in incidents if incident.get("status", {}).get("times", {}).get("closedAt")]

    return until(lambda: found if len(found := closed()) >= services else None, 300, "all incidents are closed")


def seconds(incident, start, end):
    times = incident["status"]["times"]
    return (datetime.fromisoformat(times[end]) - datetime.fromisoformat(times[start])).total_seconds()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--services", type=int, default=20)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between two faults")
    parser.add_argument("--name", default="bench-repair", help="name of the cluster that is made for this")
    args = parser.parse_args()
    try:
        cluster("up", "--name", args.name)
        kubeconfig = Path(cluster("kubeconfig", "--name", args.name))
        api = Api(str(kubeconfig))
        api.apply(*(document for file in sorted((ROOT / "crds").glob("*.yaml")) for document in documents(file)))
        with (
            tempfile.TemporaryDirectory() as folder,
            PrunellaProcess(Path(folder), kubeconfig, known_good_after=3),
        ):
            incidents = play(api, args.services, args.pause)
    finally:
        cluster("down", "--name", args.name)
    healed = [incident for incident in incidents if incident["status"]["phase"] == "Healed"]
    table = Table("step", "p50", "p90", "max", title=f"{len(healed)} of {args.services} faults healed; seconds")
    for name, (start, end) in STEPS.items():
        values = sorted(seconds(incident, start, end) for incident in healed)
        p90 = values[int(len(values) * 0.9) - 1]
        table.add_row(name, f"{statistics.median(values):.2f}", f"{p90:.2f}", f"{values[-1]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
