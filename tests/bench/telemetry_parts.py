"""The two processes that `telemetry.py` measures, with the telemetry that their environment asks for.

telemetry_parts.py serve TEMPORAL    a worker on the cluster of $KUBECONFIG; says `ready`
telemetry_parts.py sense             a pod source on the cluster of $KUBECONFIG; talks as `sensor_ours.py` does
"""

import asyncio
import os
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from builders import WEB
from opentelemetry import trace
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from workflow.healing_env import HEALED, ScriptedActivities, healing_worker, seen

from prunella_operator.activities import Activities
from prunella_operator.activities.evidence.collector import EvidenceCollector
from prunella_operator.detection.pods import PodSource
from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.observability import metrics, tracing
from prunella_operator.observability.core import measured_runtime
from prunella_operator.observability.sending import sends
from prunella_operator.observability.workflows import CountingInterceptor
from prunella_operator.runtime import app

ONE_IN = 20  # of the faults opens an incident, the others join one
UNMEASURED = "PRUNELLA_BENCH_UNMEASURED"
TOUCH = {"op": "add", "path": "/metadata/annotations/bench", "value": "repaired"}  # which moves no pod


class WorkingActivities(ScriptedActivities):
    """Each activity makes a real one's requests to the API server; a script answers, so that all runs are alike."""

    def __init__(self, kube):
        self.target = WEB.model_copy(update={"uid": kube.get(paths.workload(WEB))["metadata"]["uid"]})
        super().__init__(confirm=[seen().model_copy(update={"target": self.target})], verify=[HEALED])
        self.kube, self.real, self.gatherer = kube, Activities(kube, 30, ()), EvidenceCollector(kube, 30)

    async def _follow_script(self, name, request):
        await asyncio.to_thread(self._write if name == "repair" else getattr(self.real, name), request)
        return await super()._follow_script(name, request)

    def _write(self, _order):
        self.gatherer.view(self.target)
        self.kube.json_patch(paths.workload(WEB), [TOUCH])


def telemetry(stack):
    """Tracing and metrics as the application sets them up; the interceptors that a client needs."""
    interceptors = [CountingInterceptor()]
    if sends("traces"):
        interceptors.append(app._tracing_interceptor(stack))
    if sends("metrics"):
        app._push_metrics(stack)
    return interceptors


async def serve(temporal):
    """A worker whose activities call the API server."""
    async with AsyncExitStack() as stack:
        runtime, measures, interceptors = None, None, []
        if UNMEASURED not in os.environ:
            runtime, measures = measured_runtime("prunella")
            interceptors = telemetry(stack)
        client = await Client.connect(
            temporal, data_converter=pydantic_data_converter, interceptors=interceptors, runtime=runtime
        )
        async with healing_worker(client, WorkingActivities(SyncClient(load_access()))):
            print("ready", flush=True)
            await (measures.drain() if measures else asyncio.Event().wait())


async def sense():
    """A pod source. The first span goes out before anything is measured, as it makes the connection."""
    async with AsyncExitStack() as stack:
        if len(telemetry(stack)) > 1:
            with tracing.span("warm-up", {}):
                pass
            trace.get_tracer_provider().force_flush(2000)
        source = Timed(load_access(), Signalled())
        print("base", 0, flush=True)
        task = asyncio.create_task(source.run())
        while not source.stats.synced:  # noqa: ASYNC110 - the source has no event for it, and needs none
            await asyncio.sleep(0.01)
        print("synced", source.stats.objects, flush=True)
        await task


class Timed(PodSource):
    """Print when a pod has been judged and its signals were emitted."""

    def on_upsert(self, obj, at):
        super().on_upsert(obj, at)
        if self.stats.synced:
            print("event", obj.metadata.name, obj.metadata.resource_version, time.time_ns(), flush=True)


class Signalled:
    """The operator's telemetry for a signal."""

    def __init__(self):
        self.count = 0

    def __call__(self, signal):
        self.count += 1
        opens = self.count % ONE_IN == 0
        if opens:
            self.open(signal)
        metrics.SIGNALS.labels(signal.source, signal.type.value, "opened" if opens else "joined").inc()

    def open(self, signal):
        facts = {"prunella.source": signal.source, "prunella.target": signal.name, "prunella.fault": signal.reason}
        with tracing.span("incident:open", facts, started=signal.observed_at):
            metrics.OPENING.observe(0.01)


if __name__ == "__main__":
    role, *arguments = sys.argv[1:]
    asyncio.run({"serve": serve, "sense": sense}[role](*arguments))
    os._exit(0)  # temporalio's core may crash at interpreter exit (sdk-python issue 300)
