"""The play itself, and the order in which everything is put away, whatever happens."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from prunella_operator import clock
from prunella_operator.config.crds import crds
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import Incident, KubeIncidents
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.presentation.watch import follow
from prunella_workflows.model.errors import PrunellaError
from prunella_workflows.model.incident_status import Phase
from walkthrough import prunella
from walkthrough.cluster import Cluster
from walkthrough.console import DemoError, Narrator
from walkthrough.objects import Applier, Object
from walkthrough.processes import stop
from walkthrough.shop import FAULTS, NAMESPACE, Shop
from walkthrough.summary import links, summary

HEAL_TIMEOUT = 300.0
ESTABLISH_TIMEOUT = 30.0
UI_PORT = Settings.model_fields["temporal_ui_port"].default


@dataclass(frozen=True)
class Options:
    """How to play."""

    name: str
    context: str | None
    once: bool
    keep: bool
    state: Path


def play(options: Options, narrator: Narrator) -> int:
    """All acts; 0 when both incidents are healed."""
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        stack.enter_context(_undisturbed_exit())
        cluster = Cluster(options.name, options.context, options.state / "cluster.log")
        stays = _raise_cluster(cluster, options, narrator, stack)
        kubeconfig = cluster.kubeconfig()
        settings = prunella.settings(options.state, kubeconfig, options.context)
        api = SyncClient.connect(settings)
        applier = Applier(api)
        if stays and not options.keep:
            _afterwards(narrator, stack, "Put away: what the demo added to the cluster", applier.remove)
        with narrator.step("Prunella: resource definitions"):
            _install(applier, api)
        process = _start_prunella(settings, options, narrator, stack)
        shop = Shop(api, applier, lambda: prunella.check(process, options.state / "prunella.log"))
        healed = _acts(shop, settings, api, narrator)
        if not options.once:
            _explore(settings, kubeconfig, options, narrator, process)
        return 0 if healed else 1


@contextmanager
def _undisturbed_exit() -> Iterator[None]:
    """SIGTERM counts as Ctrl-C too, and the handlers of before come back at the end."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _afterwards(narrator: Narrator, stack: ExitStack, title: str, act: Callable[[], None]) -> None:
    """Put something away at the end, whatever happens; a second Ctrl-C does not stop that half-way."""

    def put_away() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        try:
            with narrator.step(title):
                act()
        except (DemoError, PrunellaError) as error:  # what comes after must be put away as well
            narrator.say(str(error), "red")

    stack.callback(put_away)


def _raise_cluster(cluster: Cluster, options: Options, narrator: Narrator, stack: ExitStack) -> bool:
    """Have a cluster; whether it was there before, and so stays."""
    cluster.log.unlink(missing_ok=True)
    if cluster.running():
        where = f"context {options.context}" if options.context else f"cluster {options.name}"
        narrator.say(f"The {where} is there already, and stays.")
        return True
    if not options.keep:
        _afterwards(narrator, stack, f"Put away: cluster {options.name}", cluster.down)
    with narrator.step(f"Cluster {options.name} (its programs are built the first time; log: {cluster.log})"):
        cluster.up()
    return False


def _install(applier: Applier, api: SyncClient) -> None:
    """Apply the CRDs and wait until the API server serves them."""
    applied = applier.all(list(crds()))
    until = time.monotonic() + ESTABLISH_TIMEOUT
    while not all(_established(api.call("GET", applier.path(one))) for one in applied):
        if time.monotonic() > until:
            raise DemoError(f"the API server does not serve the CRDs after {ESTABLISH_TIMEOUT:.0f} s")
        time.sleep(0.2)


def _established(crd: Object) -> bool:
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


def _start_prunella(
    settings: Settings, options: Options, narrator: Narrator, stack: ExitStack
) -> subprocess.Popen[bytes]:
    log = options.state / "prunella.log"
    with narrator.step(f"Prunella: operator, worker and Temporal (log: {log})"):
        process = prunella.launch(settings, log)
        _afterwards(narrator, stack, "Put away: Prunella and Temporal", lambda: stop(process))
        prunella.wait_ready(process, settings, log)
    return process


def _acts(shop: Shop, settings: Settings, api: SyncClient, narrator: Narrator) -> bool:
    """Healthy, broken, healed."""
    with narrator.step("The shop opens: two healthy workloads"):
        names = shop.open()
        shop.wait_available(names)
    with narrator.step("Prunella remembers their templates as known good"):
        shop.wait_known_good(names)
    incidents = KubeIncidents(api)
    before = {one.metadata.uid for one in incidents.find(NAMESPACE)}
    with narrator.step("Break both: a release that crashes, and data that outgrows the memory limit"):
        shop.break_it()
    narrator.say("Hands off: Prunella is at work.", "bold")
    ended = _watch(shop, incidents, before, narrator)
    narrator.say("")
    narrator.out.print(summary(ended))
    for line in links(ended, settings):
        narrator.say(line)
    return len(ended) >= len(FAULTS) and all(one.phase is Phase.HEALED for one in ended)


def _watch(shop: Shop, incidents: KubeIncidents, before: set[str], narrator: Narrator) -> Sequence[Incident]:
    until = time.monotonic() + HEAL_TIMEOUT

    def poll() -> Sequence[Incident]:
        shop.alive()
        return [one for one in incidents.find(NAMESPACE) if one.metadata.uid not in before]

    def done(found: Sequence[Incident]) -> bool:
        both = len({one.target for one in found}) >= len(FAULTS)
        return (both and all(one.phase.closed for one in found)) or time.monotonic() > until

    found = follow(poll, narrator.out, clock.now, done)
    if time.monotonic() > until:
        narrator.say(f"After {HEAL_TIMEOUT:.0f} s not everything is closed.", "bold red")
    return found


def _explore(
    settings: Settings, kubeconfig: str | None, options: Options, narrator: Narrator, process: subprocess.Popen[bytes]
) -> None:
    where = f"--context {options.context}" if options.context else f"--kubeconfig {kubeconfig}"
    ui = f" PRUNELLA_TEMPORAL_UI_PORT={settings.temporal_ui_port}" if settings.temporal_ui_port != UI_PORT else ""
    command = f"{ui} {Path(sys.executable).parent / 'prunella'} incidents".strip()
    narrator.say("\nEverything stays up until you press Ctrl-C. Try, in another terminal:", "bold")
    for line in (
        f"{command} list -n {NAMESPACE} {where}",
        f"{command} show -n {NAMESPACE} {where} NAME",
        f"kubectl {where} -n {NAMESPACE} get incidents,pods,events",
        f"curl http://127.0.0.1:{settings.http_port}/metrics",
        f"a browser on http://127.0.0.1:{settings.console_port} (incidents)",
        f"a browser on http://127.0.0.1:{settings.temporal_ui_port} (workflows)",
    ):
        narrator.say(f"  {line}")
    with suppress(KeyboardInterrupt):
        while True:
            prunella.check(process, options.state / "prunella.log")
            time.sleep(1)
