"""The same storm with 50 and with 200 places for activities in a worker: how long it takes, and what it costs.

A cluster with fake nodes is made (`hack/cluster up --simulated`; needs Linux, root and Go). 400 workloads break within
half a minute, and budgets allow to repair all of them at once: what limits the repairs is the worker and the machine.
"""

import argparse
import signal
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(ROOT / "hack" / "cluster")]

from bench_cluster import log_progress  # noqa: E402
from chaos.storm import Size, Storm  # noqa: E402
from chaos.storm_parts import control_plane, running  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

_SIZE = Size(8, 50, 30, here=50, everywhere=400, hour_here=100, hour_everywhere=1000, within=1800)


def _play(cluster, slots):
    with tempfile.TemporaryDirectory() as folder, running(cluster, Path(folder), max_activities=slots) as prunella:
        storm = Storm(cluster.api, cluster.audit, *prunella, _SIZE, log_progress)
        try:
            storm.prepare()
            storm.break_all()
            problems = storm.problems()
        finally:
            storm.clear()
        return storm.results | {"problems": len(problems)}


def _table(results):
    shown = Table("places", *map(str, results))
    for name in next(iter(results.values())):
        shown.add_row(name, *(str(of[name]) for of in results.values()))
    return shown


def main():
    """Play the storm once for each number of places, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("places", nargs="*", type=int, default=[50, 200], help="`max_activities` of the worker")
    wanted = parser.parse_args().places
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C: the cluster is taken down
    with control_plane(log_progress, "prunella-slots") as cluster:
        results = {slots: _play(cluster, slots) for slots in wanted}
    Console(width=120).print(_table(results))


if __name__ == "__main__":
    main()
