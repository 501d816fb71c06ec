"""The workloads that `scale.py` and `soak.py` break: Deployments of one pod each, which may all be healed at once."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from fakes.statuses import crash_loop
from support import samples
from support.api import until
from support.deployments import a_deployment

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_workflows.model.labels import WORKLOAD
from prunella_workflows.model.workload import WorkloadRef

NAMESPACES = tuple(f"workloads-{number}" for number in range(10))
INCIDENTS = "/apis/prunella.dev/v1alpha1/incidents"
_FREE = {"concurrentPerNamespace": 1000, "perHourPerNamespace": 10_000}
_EVERYWHERE = {
    "apiVersion": "prunella.dev/v1alpha1",
    "kind": "ClusterHealingPolicy",
    "metadata": {"name": "bench"},
    "spec": {"budgets": {"concurrentPerCluster": 1000, "perHourPerCluster": 100_000}},
}
_PATCH = {"Content-Type": "application/strategic-merge-patch+json"}


def prepare(api):
    """The namespaces, with policies under which all may be healed at once."""
    api.apply(_EVERYWHERE)
    for namespace in NAMESPACES:
        policy = samples.policy(namespace, budgets=_FREE, grace="0s", verification={"window": "3s", "timeout": "5m"})
        api.apply(samples.namespace_of(None, namespace, {}), policy)


def create_workloads(api, count):
    """So many healthy workloads; [(namespace, name of the Deployment, name of its pod)]."""
    prepare(api)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: make(api, number), range(count)))
    return until(
        lambda: found if len(found := list(_running(api))) >= count else None, 600, "the workloads run", every=2
    )


def make(api, number):
    """One workload, healthy at first."""
    deployment = a_deployment(*address(number), replicas=1, ready_every=None)
    deployment["spec"]["template"]["spec"].update(tolerations=[{"operator": "Exists"}], terminationGracePeriodSeconds=0)
    api.apply(deployment)


def address(number):
    """Namespace and name of a Deployment."""
    return NAMESPACES[number % len(NAMESPACES)], f"service-{number}"


def _running(api):
    for namespace in NAMESPACES:
        for pod in api.items(paths.core(namespace, "pods"), fieldSelector="status.phase=Running"):
            yield namespace, pod["metadata"]["labels"]["app"], pod["metadata"]["name"]


def delete_workloads(api):
    """Remove them, with their incidents."""
    for namespace in NAMESPACES:
        api.delete(f"/api/v1/namespaces/{namespace}")
    api.delete("/apis/prunella.dev/v1alpha1/clusterhealingpolicies/bench")
    left = lambda: [namespace for namespace in NAMESPACES if api.find(f"/api/v1/namespaces/{namespace}")]  # noqa: E731
    until(lambda: not left(), 600, "the workloads are gone", every=2)


class Breaker:
    """Write the status of a pod that was out of memory, as a kubelet does; note when the API server had it."""

    def __init__(self, kubeconfig):
        self._access = load_access(kubeconfig, None)
        self._options = self._access.options()
        self.written = {}  # key of the workload -> monotonic seconds
        self.seen = {}  # the same, of its Incident

    async def __aenter__(self):
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *exc):
        await self._session.close()

    async def break_one(self, workload):
        namespace, name, pod = workload
        url = f"{self._access.server}/api/v1/namespaces/{namespace}/pods/{pod}/status"
        options = {**self._options, "headers": {**self._options["headers"], **_PATCH}}
        async with self._session.patch(
            url, data=json.dumps({"status": crash_loop("OOMKilled", 137)}), **options
        ) as answer:
            answer.raise_for_status()
        key = workload_key(WorkloadRef(kind="Deployment", namespace=namespace, name=name))
        self.written[key] = time.monotonic()

    async def watch(self):
        """Note when each Incident is there, until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None)
        url = f"{self._access.server}{INCIDENTS}?watch=1"
        async with self._session.get(url, timeout=timeout, read_bufsize=1 << 24, **self._options) as answer:
            async for line in answer.content:
                labels = json.loads(line)["object"]["metadata"].get("labels") or {}
                self.seen.setdefault(labels.get(WORKLOAD), time.monotonic())

    def latencies(self):
        """Milliseconds from the answer to the status write until a watch shows the Incident."""
        return [1000 * (self.seen[key] - at) for key, at in self.written.items() if key in self.seen]
