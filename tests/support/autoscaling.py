"""An autoscaler as a test sees it, and the task queue that drives it."""

import asyncio
import copy
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal

import yaml
from support.api import Api, Object, path_of, until
from support.deployments import IMAGE, gone
from support.prunella import PrunellaProcess
from temporalio.client import Client

QUEUE = "prunella"
VALID = ("True", "ValidMetricFound")
MISSING = ("False", "FailedGetExternalMetric")
WAITING = 70
"""Tasks. One worker's share is 20, so they need four workers: one step of the autoscaler from two."""


@dataclass
class Autoscaler:
    """A HorizontalPodAutoscaler and its Deployment, by their paths."""

    api: Api
    path: str
    target: str

    @property
    def replicas(self) -> int:
        """The number of replicas that it has asked for."""
        return int(self.api.get(self.target)["spec"]["replicas"])

    @property
    def seen(self) -> int:
        """The number of replicas that it has seen."""
        return int(self._status.get("currentReplicas", 0))

    def condition(self, kind: str) -> tuple[str, str]:
        """The status and the reason of a condition."""
        found = [condition for condition in self._status.get("conditions", ()) if condition["type"] == kind]
        return (found[0]["status"], found[0]["reason"]) if found else ("", "")

    def depth(self) -> int | None:
        """The number of waiting tasks that it has read last; its status has only the share of one worker."""
        status = self._status
        read = [metric for metric in status.get("currentMetrics") or () if metric["type"] == "External"]
        share = number(read[0]["external"]["current"]["averageValue"]) if read else None
        return None if share is None else round(share * status["currentReplicas"])

    def diagnostics(self) -> Iterator[tuple[str, str]]:
        """Yield the parts of a failed test's report."""
        yield "the autoscaler", yaml.safe_dump(self._status, sort_keys=False)

    @property
    def _status(self) -> Object:
        found: Object = self.api.get(self.path).get("status", {})
        return found


def the_worker(rendered: list[Object], kind: str) -> Object:
    """A copy of the worker's object of this kind."""
    (obj,) = [obj for obj in rendered if (obj["kind"], obj["metadata"]["name"]) == (kind, "prunella-worker")]
    return copy.deepcopy(obj)


@contextmanager
def workers(api: Api, rendered: list[Object]) -> Iterator[str]:
    """Apply the worker's Deployment, with the shop in its pods, and its settings; yield its path."""
    deployment = the_worker(rendered, "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    del pod["serviceAccountName"], pod["priorityClassName"], container["args"]
    container["image"] = f"{IMAGE}:1"
    api.apply(*[obj for obj in rendered if obj["kind"] == "ConfigMap"], deployment)
    yield path_of(deployment)
    gone(api, path_of(deployment))


def assert_follows_queue(
    autoscaler: Autoscaler, queue: "Queue", printed: Iterable[str], skip_stabilisation: Callable[[], None]
) -> None:
    """Two workers become four when tasks wait, then fewer. `printed`: kubectl's output on metric and autoscaler."""
    queue.fill()
    until(lambda: autoscaler.depth() == WAITING, 120, "the autoscaler sees the backlog")
    metric, row = printed
    assert number(json.loads(metric)["items"][0]["value"]) == WAITING, "two operators report the same: it counts once"
    assert autoscaler.path.rpartition("/")[2] in row
    until(lambda: autoscaler.replicas == 4, 60, "four workers are wanted")
    assert autoscaler.condition("ScalingActive") == VALID

    queue.empty()
    until(lambda: autoscaler.depth() == 0, 120, "the autoscaler sees an empty queue")
    assert autoscaler.condition("AbleToScale") == ("True", "ScaleDownStabilized")
    assert autoscaler.replicas == 4
    skip_stabilisation()
    until(lambda: autoscaler.replicas < 4, 60, "workers are removed")


def number(quantity: str) -> Decimal:
    """Parse a Kubernetes quantity: `17500m` is 17.5."""
    return Decimal(quantity.removesuffix("m")) / (1000 if quantity.endswith("m") else 1)


@dataclass
class Queue:
    """The task queue of Prunella's workers, and a worker that is not started yet."""

    address: str
    worker: PrunellaProcess
    namespace: str = "default"

    def fill(self) -> None:
        """Start workflows for which no worker polls."""

        async def start(client: Client) -> None:
            for each in range(WAITING):
                await client.start_workflow("Waiting", id=f"waiting-{each}", task_queue=QUEUE)

        self._run(start)

    def empty(self) -> None:
        """Terminate them, and let a worker take the remaining tasks."""

        async def end(client: Client) -> None:
            for each in range(WAITING):
                await client.get_workflow_handle(f"waiting-{each}").terminate()

        self._run(end)
        self.worker.start()
        self.worker.wait_ready()

    def _run(self, work: Callable[[Client], Awaitable[None]]) -> None:
        async def connected() -> None:
            await work(await Client.connect(self.address, namespace=self.namespace))

        asyncio.run(connected())
