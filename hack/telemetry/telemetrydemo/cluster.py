"""The demo with a cluster: a release whose pods are Ready but fail requests, the Incident, and its repair.

The pods are the cluster's, and their telemetry is generated: those of release 2 fail.
"""

from collections.abc import Sequence
from contextlib import ExitStack, suppress

import yaml
from localcluster.ports import free_ports
from otlpload.faults import ActiveFault, Fault, FaultKind, Part
from otlpload.generator import Generator
from otlpload.shop import OPERATIONS, Pod, Shop
from walkthrough import demo, prunella
from walkthrough.cluster import Cluster
from walkthrough.console import Narrator
from walkthrough.objects import Applier, Object
from walkthrough.shop import SAMPLES
from walkthrough.shop import Shop as Workloads
from walkthrough.summary import links, summary

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.incidents.client import Incident, KubeIncidents
from prunella_operator.kubernetes.api import Api
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.presentation.watch import follow
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.incident_status import Phase
from telemetrydemo.load import LiveLoad
from telemetrydemo.processes import Worker
from telemetrydemo.steps import Options, start_parts, teach, wait_for

NAMESPACE = "shop"
BROKEN = "payment"
REPLICAS = 3
_NAME = "app.kubernetes.io/name"
_VERSION = "app.kubernetes.io/version"
_SLOW_ROLLOUT = {"minReadySeconds": 45}
"""So that pods of both releases can be compared for a while."""
_HEAL_SECONDS = 600.0
_FAULT = Fault(FaultKind.ERRORS, BROKEN, Part.NEW_PODS, share=0.9)


def run_cluster_demo(options: Options, narrator: Narrator) -> int:
    """Run all steps; 0 when the Incident is healed."""
    options.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    narrator.print(f"Logs are in {options.state}")
    own = demo.Options(options.cluster, options.context, options.once, keep=False, state=options.state)
    with demo.interruptible(), ExitStack() as stack:
        cluster = Cluster(own.name, own.context, own.state / "cluster.log")
        existed = demo.ensure_cluster(cluster, own, narrator, stack)
        parts = start_parts(options, narrator, stack)
        base = prunella.make_settings(own.state, cluster.kubeconfig(), own.context)
        settings = base.model_copy(update={"telemetry_database_url_file": str(parts.database_url_file)})
        api = SyncClient.connect(settings)
        applier = Applier(api)
        if existed:
            demo.clean_up_later(narrator, stack, "what the demo added to the cluster", applier.remove)
        with narrator.step("Install the resource definitions"):
            demo.install(applier, api)
        process = demo.start_process(settings, own, narrator, stack)
        with narrator.step("Start the pipeline: prunella telemetry worker"):
            stack.enter_context(Worker(_of_worker(settings, parts.broker), own.state / "worker.log"))
        shop = ClusterShop(api, applier, options.rate)
        _deploy(shop, Workloads(api, applier, lambda: prunella.check_running(process, own.log)), narrator)
        load = teach(shop.generator, parts, narrator, stack, shop.refresh)
        healed = _release_and_heal(shop, KubeIncidents(api), load, settings, narrator)
        if not options.once:
            narrator.print("Everything keeps running until you press Ctrl-C.", "bold")
            with suppress(KeyboardInterrupt):
                wait_for(lambda: False, float("inf"), load.check)
    return 0 if healed else 1


def _deploy(shop: "ClusterShop", workloads: Workloads, narrator: Narrator) -> None:
    """Deploy release 1, and wait until it could be rolled back to."""
    with narrator.step(f"Deploy {len(OPERATIONS)} workloads, and wait until their templates are known good"):
        shop.deploy()
        workloads.wait_available(tuple(OPERATIONS))
        workloads.wait_known_good(tuple(OPERATIONS))
        shop.refresh()


def _of_worker(settings: Settings, broker: str) -> Settings:
    """Those of the telemetry worker: the Temporal that Prunella has started, and a port of its own."""
    (http,) = free_ports(1)
    return Settings(
        telemetry_kafka=(broker,),
        telemetry_database_url_file=settings.telemetry_database_url_file,
        temporal_address=settings.temporal_target,
        http_port=http,
        log_format="text",
    )


class ClusterShop:
    """The shop's Deployments in a cluster, and the load that their pods would send."""

    def __init__(self, api: Api, applier: Applier, rate: float) -> None:
        self._api, self._applier = api, applier
        self._shop = Shop(NAMESPACE)
        self.generator = Generator(self._shop, rate)

    def deploy(self) -> None:
        """Apply release 1 of everything."""
        for name in ("namespace.yaml", "policy.yaml"):
            self._applier.apply_file(SAMPLES / name)
        self._applier.apply([deployment(name, "1") for name in OPERATIONS])

    def release(self) -> None:
        """Roll out release 2 of one service."""
        self._applier.apply([deployment(BROKEN, "2")])

    def refresh(self) -> None:
        """Send for the pods that run now; pods of release 2 fail. Without an answer nothing changes."""
        with suppress(Unavailable):
            pods = self._api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]
            running = [pod for pod in pods if is_running(pod)]
            for name in OPERATIONS:
                mine = [
                    as_pod(pod) for pod in running if pod["metadata"]["labels"].get("app.kubernetes.io/name") == name
                ]
                if mine:
                    self._shop.place(name, mine)
            bad = [pod["metadata"]["name"] for pod in running if pod["metadata"]["labels"].get(_VERSION) == "2"]
            self.generator.afflict(ActiveFault(_FAULT, frozenset(bad)))


def deployment(name: str, version: str) -> Object:
    """A Deployment as the sample has it, under another name: release 1, or 2 with another image."""
    (found,) = yaml.safe_load_all((SAMPLES / "bad-release" / "before.yaml").read_text())
    body: Object = yaml.safe_load(yaml.safe_dump(found).replace("checkout", name))
    template = body["spec"]["template"]
    template["metadata"]["labels"][_VERSION] = version
    template["spec"]["containers"][0]["image"] = f"prunella.local/shop:{version}"
    body["spec"] |= {"replicas": REPLICAS, **(_SLOW_ROLLOUT if name == BROKEN and version == "2" else {})}
    return body


def is_running(pod: Object) -> bool:
    """True if it has started and is not being deleted."""
    return pod["status"].get("phase") == "Running" and "deletionTimestamp" not in pod["metadata"]


def as_pod(pod: Object) -> Pod:
    """The pod as its telemetry names it."""
    name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
    return Pod(name, uid, pod["spec"]["nodeName"], label(pod, "pod-template-hash"))


def label(pod: Object, name: str) -> str:
    """The value of a label, or ""."""
    value: str = pod["metadata"].get("labels", {}).get(name, "")
    return value


def _release_and_heal(
    shop: ClusterShop, incidents: KubeIncidents, load: LiveLoad, settings: Settings, narrator: Narrator
) -> bool:
    """Roll the bad release out, and watch; whether its Incident was healed."""
    earlier = {incident.metadata.uid for incident in incidents.find(NAMESPACE)}
    with narrator.step(f"Release 2 of {BROKEN}: its pods are Ready, and fail nine requests of ten"):
        shop.release()
    deadline = clock.monotonic() + _HEAL_SECONDS

    def poll() -> Sequence[Incident]:
        load.check()
        return [incident for incident in incidents.find(NAMESPACE) if incident.metadata.uid not in earlier]

    def is_done(polled: Sequence[Incident]) -> bool:
        return (bool(polled) and all(one.phase.closed for one in polled)) or clock.monotonic() > deadline

    watched = follow(poll, narrator.out, clock.now, is_done)
    narrator.out.print(summary(watched))
    for line in links(watched, settings):
        narrator.print(line)
    return bool(watched) and all(incident.phase is Phase.HEALED for incident in watched)
