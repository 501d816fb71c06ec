"""An hour of faults: does Prunella's memory stay flat, and is every fault healed, once?

A cluster with fake nodes is made (`hack/cluster up --simulated`; needs Linux, root and Go), with operator, worker and
Temporal beside it. Every fault has a fresh Deployment of one pod, of which the status subresource says that it was out
of memory, as a kubelet would. Prunella heals it; later the Deployment is removed, as people remove what they tried.

The operator deletes no Incident within its first three hours, whatever the settings say, so Incidents pile up at the
beginning. From --forget minutes on they are deleted, so that there are about as many at any time: growth before
that is the cost of Incidents, growth after that is a leak. --forget 0 leaves all of them.

Once a minute memory, CPU, threads and descriptors are read, and all figures are written to a file, so that an
interrupted run leaves what it has. At the end: a table, the growth of memory in the second half (least squares), and
whether any fault was lost, handled twice, or not healed. Memory and counts do not depend on the machine's load.
"""

import asyncio
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(ROOT / "hack" / "cluster")]

import workloads  # noqa: E402
from bench_cluster import log_progress, parser_of, prunella, simulated  # noqa: E402
from proc import load, usage  # noqa: E402
from rich.console import Console  # noqa: E402
from soak_table import Soak, table, verdicts  # noqa: E402
from soak_workloads import WorkloadPool  # noqa: E402
from support.api import Api  # noqa: E402

from prunella_operator.kubernetes.access import load_access  # noqa: E402
from prunella_workflows.model.errors import Unavailable  # noqa: E402

_EXAMPLES = """
examples:
  python tests/bench/soak.py                               an hour
  python tests/bench/soak.py --minutes 3 --forget 1        to see that all works
  python tests/bench/soak.py --forget 0                    how memory grows with the number of Incidents
"""
_STORED = "apiserver_storage_size_bytes"
_WIDE = 200  # columns, without a terminal: a table in a file is not folded


class Soaking:
    """One run: the samples are taken here."""

    def __init__(self, options, api, parts, pool):
        self.options, self.api, self.parts, self.pool = options, api, parts, pool
        wanted = {key: getattr(options, key) for key in ("minutes", "rate", "forget", "linger")}
        self.soak = Soak(wanted)
        self._cpu = {}  # of the last sample: who -> (monotonic seconds, CPU seconds)

    async def samples(self):
        """Take a sample at once, then one each minute, until cancelled."""
        began = time.monotonic()
        for minute in range(24 * 60):
            await asyncio.sleep(max(0.0, began + 60 * minute - time.monotonic()))
            sample = {"minute": minute, **self._processes(), **self.pool.count(), "load": load()}
            sample["etcd MiB"] = await asyncio.to_thread(self._stored)
            self.soak.samples.append(sample)
            self.soak.put(self.options.results)
            self._log_progress(sample)

    def _processes(self):
        parts, found = self.parts, {}
        for process in (parts.operator, parts.worker):
            assert process.running, f"the {process.log.stem} ended by itself"
        for who, process in (("operator", parts.operator), ("worker", parts.worker), ("Temporal", parts.temporal)):
            now = usage(process.pid)
            found |= {f"{who} MiB": now.rss, f"{who} CPU": self._share(who, now.cpu)}
            found |= {f"{who} threads": now.threads, f"{who} files": now.files}
        return found

    def _share(self, who, cpu):
        """Percent of a core since the last sample."""
        now = time.monotonic()
        at, before = self._cpu.get(who, (0.0, 0.0))
        self._cpu[who] = (now, cpu)
        return 100 * (cpu - before) / (now - at) if at else 0.0

    def _stored(self):
        """The size of etcd's file by the API server's metrics; None when they do not have it."""
        try:
            lines = self.api.text("/metrics").splitlines()
        except Unavailable:
            return None
        found = [float(line.split()[-1]) for line in lines if line.startswith(_STORED)]
        return sum(found) / 2**20 if found else None  # while it asks etcd it has none

    def _log_progress(self, sample):
        names = ("faults", "open", "healed", "otherwise", "kept", "operator MiB", "worker MiB", "Temporal MiB")
        log_progress(f"minute {sample['minute']}: " + ", ".join(f"{name} {sample[name]:.0f}" for name in names))

    async def play(self, access):
        """Make faults for the given time, then wait until all Incidents have ended."""
        options, pool = self.options, self.pool
        always = [
            self.samples(),
            pool.create_ahead(options.ahead),
            pool.remove_expired(options.linger, 60 * options.forget),
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(task) for task in (*always, *(watch.run() for watch in pool.watches(access)))
                ]
                await pool.break_steadily(options.rate, options.minutes)
                log_progress("no more faults; waiting for the last Incidents")
                await self._all_ended()
                for task in tasks:
                    task.cancel()
        finally:
            self.soak.faults = {"wanted": round(options.rate * options.minutes), **pool.ends()}
            self.soak.put(options.results)

    async def _all_ended(self):
        end = time.monotonic() + self.options.patience
        while not self.pool.settled and time.monotonic() < end:  # noqa: ASYNC110 - a poll will do here
            await asyncio.sleep(1)


async def measure(options, kubeconfig):
    """Run on a cluster that is up; print the table however it ends."""
    api = Api(str(kubeconfig))
    workloads.prepare(api)
    with prunella(api, kubeconfig) as parts, parts.operator, parts.worker:
        async with AsyncExitStack() as stack:
            breaker = await stack.enter_async_context(workloads.Breaker(str(kubeconfig)))
            soaking = Soaking(options, api, parts, WorkloadPool(api, breaker))
            try:
                await soaking.play(load_access(str(kubeconfig)))
            finally:
                report(soaking.soak, options)
                for process in (parts.operator, parts.worker):
                    print(f"the log of {process.log.stem}, warnings only:\n{process.tail(options.lines)}")


def report(soak, options):
    """The table and the verdicts."""
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    console.print(table(soak, options.every))
    for line in verdicts(soak):
        console.print(f"- {line}", highlight=False)
    console.print(f"all figures: {options.results}", highlight=False)


def arguments():
    parser = parser_of(__doc__, _EXAMPLES, "soak", nodes=4)
    add = parser.add_argument
    add("--minutes", type=float, default=60, help="how long there are faults (default: %(default)s)")
    add("--rate", type=float, default=50, help="faults a minute (default: %(default)s)")
    add("--linger", type=float, default=60, help="seconds from the healing until the Deployment goes (%(default)s)")
    add("--forget", type=float, default=15, help="minutes from its end until an Incident goes; 0: never (%(default)s)")
    add("--ahead", type=int, default=20, help="healthy Deployments that are ready to break (default: %(default)s)")
    add("--patience", type=float, default=300, help="seconds for the last Incidents (default: %(default)s)")
    add("--every", type=int, default=5, help="minutes between two rows of the table (default: %(default)s)")
    add("--lines", type=int, default=20, help="of each log that are shown at the end (default: %(default)s)")
    return parser.parse_args()


def main():
    options = arguments()
    with simulated(options.name, options.nodes) as kubeconfig:
        asyncio.run(measure(options, kubeconfig))


if __name__ == "__main__":
    main()
