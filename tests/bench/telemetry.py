"""The cost of tracing and metrics for a worker and the sensor: without them, with them, and with no collector there.

The three take turns in one run, so that the machine's other load affects them alike.

The worker is a process of its own that carries out SelfHealing against a real Temporal and a real API server (a cluster
of its own, whose one pod is simulated and broken). Its activities do what real ones do, and then answer by a script, so
that nothing waits. Without telemetry it counts nothing at all.
The sensor is the pod source of `sensor.py`; every patch is a fault, of which one in twenty opens an incident, with the
span that goes with it, and the others join one, as in a crash loop.

CPU is the process's own and the figure to go by on a busy machine; throughput is the machine's too.

    python tests/bench/telemetry.py --healings 100 --rounds 4
"""

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "hack" / "cluster"), str(HERE)]

import sensor  # noqa: E402
from bench_cluster import cluster, up  # noqa: E402
from builders import WEB, a_request  # noqa: E402
from localcluster.ports import free_ports  # noqa: E402
from proc import usage  # noqa: E402
from support import samples  # noqa: E402
from support.api import Api, until  # noqa: E402
from support.collector import collecting  # noqa: E402
from support.deployments import a_deployment  # noqa: E402
from telemetry_parts import UNMEASURED  # noqa: E402
from telemetry_table import show  # noqa: E402
from temporalio.client import Client, Interceptor, OutboundInterceptor  # noqa: E402
from temporalio.contrib.pydantic import pydantic_data_converter  # noqa: E402
from workflow.healing_env import BIN  # noqa: E402
from workloads import Breaker  # noqa: E402

from prunella_operator.kubernetes import paths  # noqa: E402
from prunella_workflows.healing.workflow import SelfHealing  # noqa: E402
from prunella_workflows.model.incident import IncidentRef  # noqa: E402
from prunella_workflows.model.trace_context import TraceContext  # noqa: E402
from prunella_workflows.temporal.tracing import header_of  # noqa: E402

TARGET = 5.0  # percent
QUEUE = "prunella-test"
WARM_UP, SETTLED = 10, 6.0  # healings, and seconds until the first spans are out and the connection is made
CLUSTER = "bench-telemetry"
PARTS = ("worker", "sensor")
MODES = ("without", "with", "collector away")


@dataclass
class Result:
    """The rounds of one mode."""

    throughput: list[float] = field(default_factory=list)  # healings a second
    worker: list[float] = field(default_factory=list)  # milliseconds of CPU for a healing
    sensor: list[float] = field(default_factory=list)  # milliseconds of CPU for an event


class Traced(Interceptor):
    """Starts each workflow with a trace of its own, as the operator does."""

    def intercept_client(self, next):  # noqa: A002 - the SDK's name
        return _Outbound(next)


class _Outbound(OutboundInterceptor):
    async def start_workflow(self, input):  # noqa: A002 - the SDK's name
        trace = input.id.encode().hex()[-32:].zfill(32)
        input.headers = {**input.headers, **header_of(TraceContext(trace, trace[-16:]))}
        return await super().start_workflow(input)


@contextmanager
def worker(environment, *addresses):
    """Start the worker's process; yield it when it is ready."""
    command = [sys.executable, HERE / "telemetry_parts.py", "serve", *addresses]
    child = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert child.stdout.readline() == b"ready\n"
        yield child
    finally:
        child.kill()
        child.wait()
        child.stdout.close()


async def heal(bench, count):
    """Start so many healings at once and wait for their ends."""

    async def make(number):
        name = f"bench-{number}"
        made = await asyncio.to_thread(bench.api.create, paths.incidents(WEB.namespace), an_incident(name))
        incident = IncidentRef(namespace=WEB.namespace, name=name, uid=made["metadata"]["uid"])
        return a_request(incident=incident)

    requests = await asyncio.gather(*(make(number) for number in bench.take(count)))
    began = time.monotonic()
    run = bench.client.execute_workflow
    await asyncio.gather(
        *(run(SelfHealing.run, request, id=request.incident.name, task_queue=QUEUE) for request in requests)
    )
    return time.monotonic() - began


def an_incident(name):
    return {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "Incident",
        "metadata": {"name": name, "namespace": WEB.namespace},
        "spec": {"target": {"kind": WEB.kind, "name": WEB.name}, "type": "OOMKilled"},
    }


async def throughput(bench, environment, options, result):
    """One round of one mode."""
    with worker({**environment, "KUBECONFIG": os.environ["KUBECONFIG"]}, bench.temporal) as process:
        await heal(bench, WARM_UP)
        await asyncio.sleep(SETTLED)
        before = usage(process.pid).cpu
        result.throughput.append(options.healings / await heal(bench, options.healings))
        result.worker.append(1000 * (usage(process.pid).cpu - before) / options.healings)
    await asyncio.to_thread(bench.api.delete, paths.incidents(WEB.namespace))  # or each round would be slower


@dataclass
class Bench:
    """The servers that the worker uses. `take` returns unused numbers for healings."""

    temporal: str
    api: Api
    client: Client
    used: int = 0

    def take(self, count):
        self.used += count
        return range(self.used - count, self.used)


def environments(collector):
    """The environment of each mode."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    ends = (None, collector, f"http://127.0.0.1:{free_ports(1)[0]}")
    return [{**plain, "OTEL_EXPORTER_OTLP_ENDPOINT": end} if end else {**plain, UNMEASURED: "1"} for end in ends]


@contextmanager
def temporal():
    """A Temporal server in memory; its address."""
    port = free_ports(1)[0]
    command = [BIN / "temporal", "server", "start-dev", "--headless", "--port", str(port), "--log-level", "never"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


async def connected(address):
    async with asyncio.timeout(60):
        while True:
            try:
                return await Client.connect(address, data_converter=pydantic_data_converter, interceptors=[Traced()])
            except RuntimeError:
                await asyncio.sleep(0.2)


@contextmanager
def cluster_with_workload():
    """A cluster with one workload, which is out of memory; its API."""
    try:
        kubeconfig = os.environ["KUBECONFIG"] = str(up(CLUSTER, 1))
        api = Api(kubeconfig)
        api.apply(samples.namespace_of(None, WEB.namespace, {}), a_workload())
        asyncio.run(break_workload(api, kubeconfig))
        yield api
    finally:
        cluster("down", "--name", CLUSTER)


def a_workload():
    deployment = a_deployment(WEB.namespace, WEB.name, replicas=1, ready_every=None)
    deployment["spec"]["template"]["spec"]["tolerations"] = [{"operator": "Exists"}]
    return deployment


async def break_workload(api, kubeconfig):
    pods = lambda: api.items(paths.core(WEB.namespace, "pods"), fieldSelector="status.phase=Running")  # noqa: E731
    (pod,) = until(pods, 60, "the pod runs")
    async with Breaker(kubeconfig) as breaker:
        await breaker.break_one((WEB.namespace, WEB.name, pod["metadata"]["name"]))


async def measure_worker(options, api, modes, results):
    with temporal() as address:
        bench = Bench(address, api, await connected(address))
        await throughput(bench, modes[0][1], options, Result())  # not counted: everything is new to the first one
        for number in range(options.rounds):
            for mode, environment in turned(modes, number):
                print(f"worker, round {number + 1}, {mode}", file=sys.stderr)
                await throughput(bench, environment, options, results[mode])


async def measure_sensor(options, modes, results, folder):
    server = sensor.fake_server(options.pods, folder)
    os.environ["KUBECONFIG"] = str(folder / "kubeconfig")
    try:
        await sensor.answering()
        options.count, targets = await sensor.find_targets()
        for number in range(options.rounds):
            for mode, environment in turned(modes, number):
                print(f"sensor, round {number + 1}, {mode}", file=sys.stderr)
                command = [*variables(environment), sys.executable, HERE / "telemetry_parts.py", "sense"]
                found = await sensor.measure(mode, command, folder / "log", options, targets)
                results[mode].sensor.append(1000 * found.event_cpu / max(1, found.patches))
    finally:
        server.terminate()
        server.wait()


def turned(modes, number):
    """Alternate the order of the modes: over two rounds, a gradual slowdown affects all alike."""
    return modes[::-1] if number % 2 else modes


def variables(environment):
    """A command that runs another with this environment alone, and with our cluster."""
    return [
        "env",
        "-i",
        *(f"{name}={value}" for name, value in {**environment, "KUBECONFIG": os.environ["KUBECONFIG"]}.items()),
    ]


def measure(options):
    results = {mode: Result() for mode in MODES}
    with tempfile.TemporaryDirectory() as name, collecting(Path(name)) as collector:
        modes = list(zip(MODES, environments(collector.endpoint), strict=True))
        if "worker" in options.only:
            with cluster_with_workload() as api:
                asyncio.run(measure_worker(options, api, modes, results))
        if "sensor" in options.only:
            asyncio.run(measure_sensor(options, modes, results, Path(name)))
    show(results, options, TARGET)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--healings", type=int, default=100, help="healings in a round, all at once")
    parser.add_argument("--rounds", type=int, default=4, help="an even number, for every other one goes backwards")
    parser.add_argument("--pods", type=int, default=2000, help="how many pods the fake API server has")
    parser.add_argument("--rate", type=float, default=100, help="status patches per second")
    parser.add_argument(
        "--seconds", type=float, default=65, help="how long to patch, in a round: metrics go out once a minute"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="measure this alone: worker, sensor")
    measure(parser.parse_args())
    sys.stdout.flush()
    os._exit(0)  # temporalio's core may crash at interpreter exit (sdk-python issue 300)


if __name__ == "__main__":
    main()
