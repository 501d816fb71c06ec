"""A healing as a process of its own, with traces and metrics to OTEL_EXPORTER_OTLP_ENDPOINT; prints its end.

Real are: intake, the start of the workflow, Temporal, the workflow, the clients and their requests, and all of tracing.
The activities follow a script; their reads and writes are the real ones, at a fake API server.
"""

import asyncio
import sys

from fakes.kube import FakeKube
from fakes.objects import WEB, a_cluster, a_deployment, a_pod, a_replica_set, a_template, owned_by
from fakes.served import ServedKube
from workflow.healing_env import ScriptedActivities, healing_worker, start_dev_server

from prunella_operator import clock
from prunella_operator.incidents.intake import Intake
from prunella_operator.incidents.view import IncidentView
from prunella_operator.incidents.workflow_starter import WorkflowStarter
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.observability.exporting import Tracing
from prunella_operator.observability.interceptors import TracingInterceptor
from prunella_operator.observability.metric_push import MetricPush
from prunella_operator.observability.workflows import CountingInterceptor
from prunella_workflows.contracts.healing import workflow_id
from prunella_workflows.healing.workflow import SelfHealing
from prunella_workflows.model.incident import IncidentType
from prunella_workflows.model.signal import OwnerRef, Signal

DEPLOYMENT = paths.workload(WEB)
PODS = paths.core(WEB.namespace, "pods")
EVENTS = paths.events(WEB.namespace)
REPLICA_SETS = paths.collection("ReplicaSet", WEB.namespace)
LIMIT = "/spec/template/spec/containers/0/resources"


class RequestingActivities(ScriptedActivities):
    """Makes the requests of each activity, then answers by the script."""

    def __init__(self, kube, incident):
        super().__init__()
        self.kube, self.incident = kube, incident
        self.reads = {
            "confirm": (DEPLOYMENT, PODS),
            "diagnose": (DEPLOYMENT, PODS, REPLICA_SETS, EVENTS),
            "repair": (DEPLOYMENT,),
            "verify": (DEPLOYMENT, PODS),
        }

    async def _follow_script(self, name, request):
        await asyncio.to_thread(self._requests, name)
        return await super()._follow_script(name, request)

    def _requests(self, name):
        for path in self.reads.get(name, ()):
            self.kube.call("GET", path)
        if name == "repair":
            change = {"op": "add", "path": LIMIT, "value": {"limits": {"memory": "96Mi"}}}
            self.kube.json_patch(DEPLOYMENT, [change])
        if name in ("report", "close"):
            self.kube.apply(f"{self.incident}/status", {"status": {}})


def signal():
    owner = owned_by("apps/v1", "ReplicaSet", "web-hash1", "uid-rs-1")
    return Signal(
        source="pods",
        type=IncidentType.OOM_KILLED,
        namespace=WEB.namespace,
        kind="Pod",
        name="web-a",
        uid="uid-web-a",
        owner=OwnerRef(api_version=owner["apiVersion"], kind=owner["kind"], name=owner["name"], uid=owner["uid"]),
        container="app",
        reason="OOMKilled",
        restarts=1,
        observed_at=clock.now(),
    )


async def heal(api, interceptors):
    """Run from the signal to the end of the workflow; return its status."""
    async with AsyncClient(api.access) as rest, start_dev_server(interceptors=interceptors) as environment:
        assert await Intake(rest, ()).open(signal()) == "opened"
        (path,) = (path for path in api.kube.objects if path.startswith(paths.incidents(WEB.namespace)))
        incident = api.kube.get(path)
        async with healing_worker(environment.client, RequestingActivities(SyncClient(api.access), path)):
            await WorkflowStarter(rest, environment.client, "prunella-test").start(IncidentView.from_object(incident))
            handle = environment.client.get_workflow_handle_for(
                SelfHealing.run, workflow_id(incident["metadata"]["uid"])
            )
            return await handle.result()


def main():
    kube = a_cluster(FakeKube(), a_deployment(a_template(1)), [a_replica_set(1)], [a_pod("web-a")])
    traces, push = Tracing("prunella"), MetricPush("prunella")
    with ServedKube(kube) as api:
        status = asyncio.run(heal(api, [CountingInterceptor(), TracingInterceptor(traces.emit)]))
    traces.stop()
    push.stop()
    sys.stdout.write(f"\n{status.model_dump_json(by_alias=True)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
