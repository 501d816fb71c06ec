"""The cost of Prunella in a large cluster, and of others that see the same pods, in one run.

A cluster with fake nodes is made (`hack/cluster up --simulated`; needs Linux, root and Go) and filled with pods of
9 to 10 KB; for each size, one after the other:

  source   Prunella's pod source alone
  kopf     an operator with nothing but kopf.on.event('pods')
  go       a client-go shared informer (tests/bench/informer)
  whole    operator, worker and Temporal; pods change at a steady rate while workloads break, then a storm breaks
           hundreds at once, all of them stay open for a while, and then a worker heals them

Every row is kept in a file as soon as it is measured. The same command goes on where an interrupted one stopped;
--again measures everything again. Each row has the machine's load: memory and CPU do not depend on it, times do.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(ROOT / "hack" / "cluster")]

import asyncio  # noqa: E402

import sensor  # noqa: E402
import sensor_pods  # noqa: E402
from bench_cluster import cluster, log_progress, up  # noqa: E402
from proc import load, percentile  # noqa: E402
from scale_table import Results, markdown  # noqa: E402

from prunella_operator.kubernetes.access import load_access  # noqa: E402
from prunella_operator.kubernetes.async_client import AsyncClient  # noqa: E402

WHO = ("source", "kopf", "go", "whole")
_PODS_A_NODE, _NODES = 1500, 34  # as many for every size up to 50,000 pods, so that a kept cluster can grow
_SETTLED = 30  # seconds: when the last pod has begun to run, the API server's watches are still late
_EXAMPLES = """
examples:
  python tests/bench/scale.py --pods 500 --storm 50             a quarter of an hour, to see that all works
  python tests/bench/scale.py --pods 2000 10000 --only whole    Prunella alone
  python tests/bench/scale.py --pods 10000 --keep               keep the cluster, for another run
  GOGC=100 python tests/bench/scale.py --pods 50000             24 GiB are just enough, with more frequent collections
  python tests/bench/scale.py --show                            the table of what was measured so far
"""


def prepare(options):
    """A cluster that is large enough; its kubeconfig."""
    nodes = max(_NODES, -(-max(options.pods) // _PODS_A_NODE))
    return up(options.name, nodes), nodes


async def fill(kubeconfig, pods, nodes):
    async with AsyncClient(load_access(str(kubeconfig)), timeout=60) as rest:
        await sensor_pods.fill(rest, pods, nodes, log_progress)
        page = await rest.get("/api/v1/pods", {"limit": "500"})
        targets = [
            (item["metadata"]["namespace"], item["metadata"]["name"], "app")
            for item in page["items"]
            if item["metadata"]["namespace"].startswith("shop-")
        ]
        await sensor_pods.relieve(rest, targets)
        await asyncio.sleep(_SETTLED)
        return targets, await sensor_pods.count(rest)


def see(who, options, targets, count):
    """The row of a process that only sees pods."""
    options.count, key = count, {"source": "ours"}.get(who, who)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(
            sensor.measure(sensor.NAMES[key], sensor.command(key, count), Path(folder) / who, options, targets)
        )
    return {
        "memory (MiB)": found.idle,
        "of it its imports": found.base,
        "peak (MiB)": found.peak,
        "sync (s)": found.sync,
        "CPU to sync (s)": found.start_cpu,
        "CPU for 1,000 events (s)": found.event_cpu / max(1, found.patches) * 1000,
        "events a second": found.patches / found.seconds,
        "p50 (ms)": percentile(found.lags, 0.5),
        "p99 (ms)": percentile(found.lags, 0.99),
        "waited for a CPU (%)": 100 * found.waited / found.seconds,
        "load": load(),
    }


def measure(options, results):
    """All rows that are missing, from the smallest size to the largest."""
    kubeconfig, nodes = prepare(options)
    os.environ["KUBECONFIG"] = str(kubeconfig)
    for pods in sorted(options.pods):
        missing = [who for who in options.only if options.again or not results.get(pods, who)]
        if not missing:
            continue
        log_progress(f"filling the cluster up to {pods} pods")
        targets, count = asyncio.run(fill(kubeconfig, pods, nodes))
        for who in missing:
            log_progress(f"{pods} pods: measuring {who}")
            results.put(pods, who, row(who, options, kubeconfig, targets, count))
            log_progress(f"{pods} pods: {who} is measured")


def row(who, options, kubeconfig, targets, count):
    if who != "whole":
        return see(who, options, targets, count)
    import scale_whole

    return scale_whole.measure(options, kubeconfig, targets, log_progress)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--pods", type=int, nargs="+", default=[2000, 10_000], help="sizes of the cluster (default: 2000 10000)")
    add("--only", nargs="+", choices=WHO, default=WHO, metavar="WHO", help=f"measure these alone: {', '.join(WHO)}")
    add("--rate", type=float, default=200, help="status changes a second (default: %(default)s)")
    add("--seconds", type=float, default=20, help="how long they go on (default: %(default)s)")
    add("--faults", type=int, default=200, help="workloads that break meanwhile (default: %(default)s)")
    add("--storm", type=int, default=500, help="workloads that break at once (default: %(default)s)")
    add("--quiet", type=float, default=10, help="seconds before the memory is read (default: %(default)s)")
    add("--patience", type=float, default=1800, help="seconds for all repairs (default: %(default)s)")
    add("--name", default="bench-scale", help="name of the cluster (default: %(default)s)")
    add("--keep", action="store_true", help="leave the cluster, with its pods, for the next run")
    add("--again", action="store_true", help="measure again what is in the file")
    add("--show", action="store_true", help="print the table and end")
    add("--results", type=Path, default=ROOT / "build" / "bench" / "scale.json", help="the file (build/bench)")
    return parser.parse_args()


def main():
    options = arguments()
    results = Results(options.results)
    try:
        if not options.show:
            measure(options, results)
    except KeyboardInterrupt:
        log_progress("interrupted; the same command goes on where this one stopped")
        raise SystemExit(130) from None
    finally:
        if not (options.show or options.keep):
            cluster("down", "--name", options.name)
        print(markdown(results.load()))


if __name__ == "__main__":
    main()
