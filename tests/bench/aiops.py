"""A day of a large platform: 500 services, 2,000 pods, 120 faults and alerts. How much of it does Prunella settle?

A cluster with fake nodes is made (`hack/cluster up --simulated`; needs Linux, root and Go), with operator, worker and
Temporal beside it. A mix that was fixed beforehand (aiops_mix.yaml) says which faults and alerts there are and how
each must end; a seed spreads them over the services and over the time in which they begin. The bench writes what
kubelets would write about the pods that fail, and sends Alertmanager's messages to the webhook.

Only the gaps between the events are shorter than in a real day. Grace periods, verification, patience and budgets are
Prunella's built-in ones: no policy is set, the namespaces opt in by their label.

Figures are kept in a file after each event. At the end (and with --show) they are printed beside those of the guide,
with every event that did not end as the mix says. What a person has to repair counts with the guide's four hours.
"""

import asyncio
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE.parent), str(ROOT / "hack" / "cluster")]

import aiops_mix as mix  # noqa: E402
from aiops_faults import FAULTS, REPLICAS, USUAL, healthy  # noqa: E402
from aiops_incidents import Incidents  # noqa: E402
from aiops_kubelets import Kubelets  # noqa: E402
from aiops_metrics import prometheus  # noqa: E402
from aiops_play import NAMESPACES, Play, name_of, namespace_of  # noqa: E402
from aiops_table import Day, markdown  # noqa: E402
from aiops_watch import JsonWatch  # noqa: E402
from bench_cluster import log_progress, parser_of, simulated  # noqa: E402
from proc import load  # noqa: E402
from support import samples  # noqa: E402
from support.api import Api, until  # noqa: E402
from support.audit import AuditLog  # noqa: E402
from support.running_apart import running_apart  # noqa: E402
from workloads import INCIDENTS  # noqa: E402

from prunella_operator import clock  # noqa: E402
from prunella_operator.kubernetes import paths  # noqa: E402
from prunella_operator.kubernetes.access import load_access  # noqa: E402
from prunella_operator.kubernetes.async_client import AsyncClient  # noqa: E402
from prunella_operator.kubernetes.views import revisions  # noqa: E402
from prunella_workflows.model.labels import SNAPSHOT  # noqa: E402

_ACCOUNT = "bench-aiops"
_KNOWN_WITHIN = 1800
_SOAK_SECONDS = 45  # the built-in known_good_after, and some more
_EXAMPLES = """
examples:
  python tests/bench/aiops.py --events 12 --minutes 3 --quick --services 60    ten minutes, to see that all works
  python tests/bench/aiops.py                                                  the day, in about an hour
  python tests/bench/aiops.py --keep                                           keep the cluster with its services
  python tests/bench/aiops.py --show                                           the table of the last run
"""


def plan(options):
    """The events of this run, by the mix and the seed."""
    kinds = tuple(kind for kind in mix.load() if options.only in ("", kind.name) and not (options.quick and kind.slow))
    return mix.draw(kinds, options.events, options.minutes, options.services, options.seed)


def prepare(api, events, services):
    """All services, healthy; those of an earlier run on a kept cluster are made healthy again."""
    faults = {event.service: FAULTS[event.kind.name] for event in events}
    for number in range(NAMESPACES):
        api.apply(samples.namespace_of(None, f"shop-{number}", {}))
        forget(api, f"shop-{number}")

    def make(number):
        deployment = healthy(namespace_of(number), name_of(number), faults.get(number, USUAL))
        until(lambda: api.apply(deployment), 120, f"{name_of(number)} is made", every=1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(services)))


def forget(api, namespace):
    """Remove the incidents of an earlier run, and the pods that it has left broken."""
    for incident in api.incidents(namespace):
        api.delete(paths.incidents(namespace, incident["metadata"]["name"]))
    for pod in api.pods(namespace):
        conditions = {entry["type"]: entry["status"] for entry in pod["status"].get("conditions") or ()}
        if conditions.get("Ready") != "True":
            api.delete(paths.core(namespace, "pods", pod["metadata"]["name"]))


def wait_known(api, events, services):
    """Wait until every template is known to be good, but for those of services that opted out."""
    time.sleep(_SOAK_SECONDS)  # on a kept cluster, an earlier template of the service may be known
    chosen = f"{SNAPSHOT}={revisions.KNOWN_GOOD}"
    ignored = {event.service for event in events if FAULTS[event.kind.name].labels}
    wanted = {name_of(number) for number in set(range(services)) - ignored}

    def known():
        found = api.items("/apis/apps/v1/controllerrevisions", labelSelector=chosen)
        names = {item["metadata"]["name"].partition("-prunella-")[0] for item in found}
        return wanted <= names

    until(known, _KNOWN_WITHIN, "every template is known to be good", every=10)


async def measure(options, kubeconfig, events):
    """Play the day on a cluster that is up."""
    api, access = Api(str(kubeconfig)), load_access(str(kubeconfig))
    log_progress(f"making {options.services} services of {REPLICAS} pods")
    await asyncio.to_thread(prepare, api, events, options.services)
    async with AsyncExitStack() as stack:
        kubelets = Kubelets(await stack.enter_async_context(AsyncClient(access, timeout=30)))
        metrics = stack.enter_context(prometheus(kubelets))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = {"prometheus_url": metrics.url}
        parts = stack.enter_context(running_apart(api, kubeconfig, folder, _ACCOUNT, **settings))
        await asyncio.to_thread(wait_known, api, events, options.services)
        audit, day = AuditLog(kubeconfig.parent / "audit.log"), new_day(options)
        audit.users.add(parts.user)
        patience, put = 60 * options.patience, lambda: day.put(options.results)
        play = Play(api, audit, parts.user, parts.webhook, kubelets, Incidents(), patience, day, put, log_progress)
        await with_watches(access, play, events)


async def with_watches(access, play, events):
    """Play while pods and incidents are watched and statuses are written."""
    async with asyncio.TaskGroup() as group:
        about = {"/api/v1/pods": play.kubelets, INCIDENTS: play.incidents}
        watches = [JsonWatch(access, path, who.on_upsert, who.on_delete) for path, who in about.items()]
        tasks = [group.create_task(task.run()) for task in (*watches, play.kubelets)]
        while not all(play.kubelets.serving(name_of(event.service)) >= REPLICAS for event in events):  # noqa: ASYNC110
            await asyncio.sleep(1)
        log_progress("all are well, and known to be; the day begins")
        await play.all(events)
        for task in tasks:
            task.cancel()


def new_day(options):
    """The figures of a run that begins."""
    wanted = {key: getattr(options, key) for key in ("events", "minutes", "services", "seed", "quick", "only")}
    return Day(
        {**wanted, "pods": options.services * REPLICAS, "day": sum(kind.count for kind in mix.load())}, load=load()
    )


def arguments():
    parser = parser_of(__doc__, _EXAMPLES, "aiops", nodes=10)
    add = parser.add_argument
    add("--events", type=int, default=120, help="events of the day, in the proportions of the mix (%(default)s)")
    add("--minutes", type=float, default=40, help="the time within which they begin (default: %(default)s)")
    add("--services", type=int, default=500, help="services of four pods each (default: %(default)s)")
    add("--seed", type=int, default=2026, help="what decides times and services (default: %(default)s)")
    add("--only", default="", choices=[kind.name for kind in mix.load()], help="events of this kind only")
    add("--quick", action="store_true", help="without the kinds that take more than five minutes")
    add("--patience", type=float, default=18, help="minutes until an event is given up (default: %(default)s)")
    add("--keep", action="store_true", help="leave the cluster, with its services, for the next run")
    add("--show", action="store_true", help="print the table of the file and end")
    return parser.parse_args()


def run(options):
    events = plan(options)
    with simulated(options.name, options.nodes, audit=True, keep=options.keep) as kubeconfig:
        asyncio.run(measure(options, kubeconfig, events))


def main():
    options, began = arguments(), clock.now()
    if options.show:
        print(table(options.results))
        return
    try:
        run(options)
    finally:
        print(table(options.results, began))


def table(results, since=None):
    """The table of the run in the file, if it was written since that time: an earlier run is not shown for this one."""
    if not results.exists() or (since and results.stat().st_mtime < since.timestamp()):
        return f"no figures of this run are in {results}"
    return markdown(Day.read(results), mix.load())


if __name__ == "__main__":
    main()
