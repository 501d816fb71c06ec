"""All of it: what must be there, each fault, the table, and the clean-up in reverse order whatever happens."""

import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from imagebuild import cached
from imagebuild.packages import ROOT
from localcluster import build, instance, monitoring
from localcluster.instance import Instance
from walkthrough import demo, prunella
from walkthrough.cluster import SCRIPT, Cluster
from walkthrough.console import DemoError, Narrator
from walkthrough.objects import Applier
from walkthrough.processes import run as run_program
from walkthrough.shop import Shop

from orderhealing import rows as results
from orderhealing.alerts import Alerts
from orderhealing.faults import FAULTS
from orderhealing.options import Options
from orderhealing.outside import Outside
from orderhealing.play import Stage, play
from orderhealing.system import DEPLOYMENTS, NAMESPACE, SERVICE, OrderSystem
from prunella_operator.incidents.client import KubeIncidents
from prunella_operator.kubernetes.sync_client import SyncClient

_AVAILABLE_SECONDS = 300.0
_LOCK = "requirements-orders.lock"
_EXAMPLE = "examples/orders"
_SOURCES = (*cached.SOURCES, _LOCK, f"{_EXAMPLE}/prunella_orders", f"{_EXAMPLE}/pyproject.toml")
_TAG = "prunella.local/orders:0.1.0"


def run(options: Options, narrator: Narrator) -> int:
    """Play the faults; 0 when every row, those of an earlier run included, is right."""
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    rows = results.load(options.rows) if options.resume else {}
    wanted = [name for name in FAULTS if name in (options.only or FAULTS) and name not in rows]
    with demo.interruptible(), ExitStack() as stack:
        if wanted:
            stage = _prepare(options, narrator, stack)
        for name in wanted:
            rows[name] = play(name, FAULTS[name], stage)
            results.save(options.rows, rows)
            show({name: rows[name]}, narrator)
        narrator.print("\nAll faults:", "bold")
        show(rows, narrator)
        if wanted and options.explore:
            _explore(stage, narrator)
    return 0 if all(row.is_right for row in rows.values()) else 1


def show(rows: dict[str, results.Row], narrator: Narrator) -> None:
    """Print the table, and every error of the books."""
    narrator.out.print(results.table(rows))
    for error in (error for row in rows.values() for error in row.errors):
        narrator.print(error, "red")


def _prepare(options: Options, narrator: Narrator, stack: ExitStack) -> Stage:
    """Bring everything up that faults are played on."""
    archive = _image(narrator)
    made = Cluster(options.name, None, options.state / "cluster.log", ("--monitoring",))
    existed = demo.ensure_cluster(made, options.demo, narrator, stack)
    with narrator.step("Add the image, and what the cluster lacks of its monitoring"):
        made.up()
        images = [sys.executable, str(SCRIPT), "images", "--name", options.name, str(archive)]
        run_program(images, options.state / "images.log")
    own = _instance(options.name)
    with narrator.step("Start PostgreSQL, Temporal and a mail server for the orders, beside the cluster"):
        outside = stack.enter_context(Outside(str(own.host_address), options.state))
    alerts = Alerts(own, options.state / "token")
    settings = alerts.settings(prunella.make_settings(options.state, made.kubeconfig(), None))
    api = SyncClient.connect(settings)
    applier = Applier(api)
    if existed and not options.keep:
        demo.clean_up_later(narrator, stack, "what was added to the cluster", applier.remove)
    with narrator.step("Install the resource definitions"):
        demo.install(applier, api)
    system = OrderSystem(api, applier, outside)
    with narrator.step("Remove what an earlier run has left"):
        system.remove()
    process = demo.start_process(settings, options.demo, narrator, stack)
    stack.enter_context(alerts.routed(settings))

    def check_running() -> None:
        prunella.check_running(process, options.demo.log)

    _deploy(system, Shop(api, applier, check_running, NAMESPACE), narrator)
    return Stage(system, KubeIncidents(api), outside.database_url, check_running, options, narrator)


def _image(narrator: Narrator) -> Path:
    """The image of the order application."""
    if why := cached.hindrance():
        raise DemoError(f"the image cannot be built here: {why}")
    options = ("--lock", str(ROOT / _LOCK), "--with", str(ROOT / _EXAMPLE), "--tag", _TAG)
    with narrator.step("Build the image of the order application (some minutes, unless its sources are as before)"):
        try:
            return cached.archive(build.cache_folder().parent / "orders-image", _SOURCES, *options)
        except cached.NotBuiltError as error:
            raise DemoError(str(error)) from error


def _instance(name: str) -> Instance:
    """The cluster that hack/cluster made, if it is one of its own kind."""
    found = instance.load(name)
    if found is None:
        raise DemoError("this needs the cluster that hack/cluster makes itself (Linux, root and Go), not kind")
    return found


def _deploy(system: OrderSystem, shop: Shop, narrator: Narrator) -> None:
    with narrator.step("Deploy the order system, and wait until it is available"):
        system.deploy()
        shop.wait_available(DEPLOYMENTS, _AVAILABLE_SECONDS)
    with narrator.step("Wait until Prunella has recorded its templates as known good"):
        shop.wait_known_good(DEPLOYMENTS)


def _explore(stage: Stage, narrator: Narrator) -> None:
    """Keep everything running until Ctrl-C."""
    own, python = _instance(stage.options.name), sys.executable
    narrator.print("\nEverything keeps running until you press Ctrl-C. Try in another terminal:", "bold")
    for line in (
        f'eval "$({python} hack/cluster env --name {own.name})"',
        f"kubectl -n {NAMESPACE} get incidents,pods,hpa",
        f"curl {stage.system.url(SERVICE)}/orders?status=shipped",
        f"in a browser: {monitoring.url(own, monitoring.PROMETHEUS_PORT)} (Prometheus)",
    ):
        narrator.print(f"  {line}")
    with suppress(KeyboardInterrupt):
        while True:
            stage.check_running()
            time.sleep(1)
