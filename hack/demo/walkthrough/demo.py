"""The demo itself, and its clean-up, which runs in reverse order whatever happens."""

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
from walkthrough.shop import FAULTS, NAMESPACE, Shop, check_namespace
from walkthrough.summary import links, summary

HEAL_TIMEOUT_SECONDS = 300.0
ESTABLISH_TIMEOUT_SECONDS = 30.0
DEFAULT_UI_PORT = Settings.model_fields["temporal_ui_port"].default


@dataclass(frozen=True)
class Options:
    """The command line options."""

    name: str
    context: str | None
    once: bool
    keep: bool
    state: Path

    @property
    def log(self) -> Path:
        """Prunella's log."""
        return self.state / "prunella.log"


def run_demo(options: Options, narrator: Narrator) -> int:
    """Run all steps; 0 when both incidents are healed."""
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as stack:
        stack.enter_context(interruptible())
        cluster = Cluster(options.name, options.context, options.state / "cluster.log")
        existed = ensure_cluster(cluster, options, narrator, stack)
        kubeconfig = cluster.kubeconfig()
        settings = prunella.make_settings(options.state, kubeconfig, options.context)
        api = SyncClient.connect(settings)
        check_namespace(api)
        applier = Applier(api)
        if existed and not options.keep:
            clean_up_later(narrator, stack, "what the demo added to the cluster", applier.remove)
        with narrator.step("Install the resource definitions"):
            install(applier, api)
        process = start_process(settings, options, narrator, stack)
        shop = Shop(api, applier, lambda: prunella.check_running(process, options.log))
        healed = _break_and_heal(shop, settings, api, narrator)
        if not options.once:
            _print_commands(settings, kubeconfig, options, narrator)
            with suppress(KeyboardInterrupt):
                while True:
                    prunella.check_running(process, options.log)
                    time.sleep(1)
        return 0 if healed else 1


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C; restore the previous handlers at the end."""
    previous = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def clean_up_later(narrator: Narrator, stack: ExitStack, title: str, remove: Callable[[], None]) -> None:
    """Remove something at the end, whatever happens; a second Ctrl-C does not interrupt that."""

    def clean_up() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        try:
            with narrator.step(f"Clean up: {title}"):
                remove()
        except (DemoError, PrunellaError) as error:  # the remaining clean-up must still run
            narrator.print(str(error), "red")

    stack.callback(clean_up)


def ensure_cluster(cluster: Cluster, options: Options, narrator: Narrator, stack: ExitStack) -> bool:
    """Create the cluster unless it exists; whether it existed, and is therefore kept."""
    cluster.log.unlink(missing_ok=True)
    if cluster.is_running():
        where = f"context {options.context}" if options.context else f"cluster {options.name}"
        narrator.print(f"The {where} exists already and will be kept.")
        return True
    if not options.keep:
        clean_up_later(narrator, stack, f"cluster {options.name}", cluster.down)
    with narrator.step(f"Cluster {options.name} (its programs are built the first time; log: {cluster.log})"):
        cluster.up()
    return False


def install(applier: Applier, api: SyncClient) -> None:
    """Apply the CRDs and wait until the API server serves them."""
    applied = applier.apply(list(crds()))
    deadline = time.monotonic() + ESTABLISH_TIMEOUT_SECONDS
    while not all(_is_established(api.call("GET", applier.path(crd))) for crd in applied):
        if time.monotonic() > deadline:
            raise DemoError(f"the API server does not serve the CRDs after {ESTABLISH_TIMEOUT_SECONDS:.0f} s")
        time.sleep(0.2)


def _is_established(crd: Object) -> bool:
    conditions = crd.get("status", {}).get("conditions") or ()
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)


def start_process(
    settings: Settings, options: Options, narrator: Narrator, stack: ExitStack
) -> subprocess.Popen[bytes]:
    """Start it, and wait until it is ready."""
    with narrator.step(f"Start Prunella: operator, worker and Temporal (log: {options.log})"):
        process = prunella.start_prunella(settings, options.log)
        clean_up_later(narrator, stack, "Prunella and Temporal", lambda: stop(process))
        prunella.wait_ready(process, settings, options.log)
    return process


def _break_and_heal(shop: Shop, settings: Settings, api: SyncClient, narrator: Narrator) -> bool:
    """Deploy healthy workloads, break them, and watch; whether all were healed."""
    with narrator.step("Deploy two healthy workloads"):
        names = shop.deploy()
        shop.wait_available(names)
    with narrator.step("Wait until Prunella has recorded their templates as known good"):
        shop.wait_known_good(names)
    incidents = KubeIncidents(api)
    earlier = {incident.metadata.uid for incident in incidents.find(NAMESPACE)}
    with narrator.step("Break both: a release that crashes, and data that exceeds the memory limit"):
        shop.inject_faults()
    narrator.print("Prunella is healing them.", "bold")
    watched = _watch(shop, incidents, earlier, narrator)
    narrator.print("")
    narrator.out.print(summary(watched))
    for line in links(watched, settings):
        narrator.print(line)
    return len(watched) >= len(FAULTS) and all(incident.phase is Phase.HEALED for incident in watched)


def _watch(shop: Shop, incidents: KubeIncidents, earlier: set[str], narrator: Narrator) -> Sequence[Incident]:
    deadline = time.monotonic() + HEAL_TIMEOUT_SECONDS

    def poll() -> Sequence[Incident]:
        shop.check_running()
        return [incident for incident in incidents.find(NAMESPACE) if incident.metadata.uid not in earlier]

    def is_done(polled: Sequence[Incident]) -> bool:
        complete = len({incident.target for incident in polled}) >= len(FAULTS)
        return (complete and all(incident.phase.closed for incident in polled)) or time.monotonic() > deadline

    watched = follow(poll, narrator.out, clock.now, is_done)
    if time.monotonic() > deadline:
        narrator.print(f"Not all incidents are closed after {HEAL_TIMEOUT_SECONDS:.0f} s.", "bold red")
    return watched


def _print_commands(settings: Settings, kubeconfig: str | None, options: Options, narrator: Narrator) -> None:
    where = f"--context {options.context}" if options.context else f"--kubeconfig {kubeconfig}"
    port = settings.temporal_ui_port
    environment = f"PRUNELLA_TEMPORAL_UI_PORT={port} " if port != DEFAULT_UI_PORT else ""
    command = f"{environment}{Path(sys.executable).parent / 'prunella'} incidents"
    narrator.print("\nEverything keeps running until you press Ctrl-C. Try in another terminal:", "bold")
    for line in (
        f"{command} list -n {NAMESPACE} {where}",
        f"{command} show -n {NAMESPACE} {where} NAME",
        f"kubectl {where} -n {NAMESPACE} get incidents,pods,events",
        f"curl http://127.0.0.1:{settings.http_port}/metrics",
        f"in a browser: http://127.0.0.1:{settings.console_port} (incidents)",
        f"in a browser: http://127.0.0.1:{port} (workflows)",
    ):
        narrator.print(f"  {line}")
