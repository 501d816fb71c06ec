"""What Incidents that are over cost an operator that starts: its memory at the peak, and afterwards.

A simulated cluster (`hack/cluster up --simulated`; needs Linux, root and Go) gets Incidents as a healing leaves them,
and the operator is started: once to get to know them, and then once more, as after an upgrade or when another one
leads. Hours of them are kept, so there may be thousands.
"""

import argparse
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "hack" / "cluster")]

import patients  # noqa: E402
from bench_cluster import cluster, prunella, say, up  # noqa: E402
from proc import usage  # noqa: E402
from support.api import Api  # noqa: E402

from prunella_operator import clock  # noqa: E402
from prunella_operator.cluster import paths  # noqa: E402

_IDLE = 0.02  # of a core: it has nothing to do any more
_LOOK_EVERY = 2.0
_LONGEST = 120.0


def make(api, number):
    """One Incident that was healed."""
    namespace, name = patients.address(number)
    meta = {"name": name, "namespace": namespace, "labels": {paths.WORKLOAD: name}}
    spec = {"type": "OOMKilled", "target": {"kind": "Deployment", "name": name}, "containerName": "app"}
    one = {"apiVersion": f"{paths.GROUP}/{paths.VERSION}", "kind": "Incident", "metadata": meta, "spec": spec}
    api.create(paths.incidents(namespace), one)
    for phase in ("Diagnosing", "Healed"):
        api.patch(f"{paths.incidents(namespace, name)}/status", {"status": {**status(name), "phase": phase}})


def status(name):
    """What a healing writes, in about the same length."""
    now = clock.now().isoformat()
    seen = [{"source": f"pod/{name}-{each}", "message": f"killed, out of memory, at {now}"} for each in range(5)]
    guards = [{"name": each, "held": False, "reason": "Clear", "message": "nothing held"} for each in "ABCDE"]
    attempt = {"number": 1, "actionId": name, "action": "SetMemory", "target": f"Deployment/{name}", "startedAt": now}
    attempt["diff"] = "-  memory: 64Mi\n+  memory: 128Mi\n" * 4
    return {"message": "healed", "evidence": seen, "guards": guards, "attempts": [attempt], "times": {"closedAt": now}}


def settled(process):
    """Its usage when it has read and handled all there was."""
    end, rests, before = time.monotonic() + _LONGEST, 0, usage(process.pid)
    while rests < 5 and time.monotonic() < end:
        time.sleep(_LOOK_EVERY)
        now = usage(process.pid)
        rests = rests + 1 if now.cpu - before.cpu < _IDLE * _LOOK_EVERY else 0
        before = now
    return before


def measure(options):
    """Make them, and start the operator twice."""
    kubeconfig = up(options.name, nodes=2)
    api = Api(str(kubeconfig))
    patients.prepare(api)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: make(api, number), range(options.incidents)))
    say(f"{options.incidents} incidents are over and kept")
    with prunella(api, kubeconfig) as parts:
        for start in ("first", "second"):
            with parts.operator:
                now = settled(parts.operator)
            say(f"{start} start: peak {now.peak:.0f} MiB, then {now.rss:.0f} MiB; {now.cpu:.1f} s of CPU")


def main():
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=shape)
    parser.add_argument("--incidents", type=int, default=3000)
    parser.add_argument("--name", default="kept", help="of the cluster")
    options = parser.parse_args()
    try:
        measure(options)
    finally:
        cluster("down", "--name", options.name)


if __name__ == "__main__":
    main()
