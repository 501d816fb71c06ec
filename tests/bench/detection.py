"""Cost and speed of the whole operator process, against a real API server with simulated pods (kwok).

Brings up a cluster of its own (`hack/cluster up --simulated`), fills it, runs `prunella operator` as a pod would run
it (with a ServiceAccount's token, in a mount namespace of its own: needs root) beside a Temporal dev server, breaks
pods through the status subresource as a kubelet would, and measures: resident memory, and the time from the API
server's answer to the status write until a watch shows the Incident.

    python tests/bench/detection.py --pods 5000 --faults 200
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from proc import percentile, usage
from rich.console import Console
from rich.table import Table

from prunella_operator import clock
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.views.workloads import workload_key
from prunella_operator.tasks import end
from prunella_workflows.model.workload import WorkloadRef

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
BIN = Path(PYTHON).parent
NAMESPACE = "bench"
PODS_EACH = 25
MOUNTED = Path("/run/secrets/kubernetes.io/serviceaccount")


def cluster(*args, name):
    done = subprocess.run(
        [PYTHON, str(ROOT / "hack/cluster"), args[0], "--name", name, *args[1:]],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


class Api:
    """A minimal client: one session, one TLS context."""

    def __init__(self, kubeconfig):
        self.access = load_access(kubeconfig, None)
        self.options = self.access.options()

    async def __aenter__(self):
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *exc):
        await self.session.close()

    async def call(self, method, path, body=None, content_type="application/json"):
        options = dict(self.options)
        options["headers"] = {**options["headers"], "Content-Type": content_type}
        data = None if body is None else json.dumps(body)
        async with self.session.request(method, self.access.server + path, data=data, **options) as answer:
            text = await answer.text()
            if answer.status >= 300 and answer.status != 409:
                raise SystemExit(f"{method} {path}: {answer.status} {text[:300]}")
            return json.loads(text)

    async def watch(self, path, seen):
        """Note when each object was first added (monotonic seconds), until cancelled."""
        url = f"{self.access.server}{path}?watch=1"
        async with self.session.get(url, timeout=aiohttp.ClientTimeout(total=None), **self.options) as answer:
            rest = b""
            async for chunk in answer.content.iter_any():
                *lines, rest = (rest + chunk).split(b"\n")
                for line in filter(None, lines):
                    event = json.loads(line)
                    seen.setdefault(event["object"]["metadata"]["labels"]["prunella.dev/workload"], time.monotonic())


def a_deployment(number):
    labels = {"app": f"service-{number}"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"service-{number}"},
        "spec": {
            "replicas": PODS_EACH,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "containers": [
                        {"name": "server", "image": "shop:1", "env": [{"name": f"A{n}"} for n in range(40)]}
                    ],
                    "tolerations": [{"operator": "Exists"}],
                },
            },
        },
    }


def broken_status():
    ended = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    last = {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": ended, "startedAt": ended}}
    waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s restarting failed container"}}
    container = {"name": "server", "image": "shop:1", "imageID": "", "ready": False, "restartCount": 3}
    return {"status": {"containerStatuses": [{**container, "state": waiting, "lastState": last}]}}


async def fill(api, pods):
    await api.call("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for number in range(pods // PODS_EACH):
        await api.call("POST", f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments", a_deployment(number))
    deadline = time.monotonic() + 600
    while time.monotonic() < deadline:
        found = await api.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods?fieldSelector=status.phase=Running")
        if len(found["items"]) >= pods // PODS_EACH * PODS_EACH:
            return found["items"]
        await asyncio.sleep(2)
    raise SystemExit("the pods did not start in time")


@contextlib.contextmanager
def running(command, env, log):
    with log.open("w") as out:
        process = subprocess.Popen(command, env={**os.environ, **env}, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()


async def ready(port, within=60):
    deadline = time.monotonic() + within
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)
    raise SystemExit("the operator did not become ready")


async def as_pod(api, env, account):
    """The command that runs the operator as in a pod: token and CA where the kubelet mounts them."""
    meta = {"metadata": {"name": "operator"}}
    await api.call("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", meta)
    rbac = "rbac.authorization.k8s.io"
    binding = {
        **meta,
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": NAMESPACE}],
    }
    await api.call("POST", f"/apis/{rbac}/v1/clusterrolebindings", binding)
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/operator/token"
    token = await api.call("POST", path, {"spec": {"expirationSeconds": 3600}})
    account.mkdir()
    (account / "token").write_text(token["status"]["token"])
    (account / "namespace").write_text(NAMESPACE)
    (account / "ca.crt").write_text(Path(api.access.ca_path).read_text())
    url = urlsplit(api.access.server)
    env |= {"KUBERNETES_SERVICE_HOST": url.hostname, "KUBERNETES_SERVICE_PORT": str(url.port), "HOME": str(account)}
    MOUNTED.mkdir(parents=True, exist_ok=True)
    script = f"mount --bind {account} {MOUNTED} && exec {BIN}/prunella operator"
    return ["unshare", "--mount", "sh", "-c", script]


async def measure(args, kubeconfig, folder):
    env = {
        "PRUNELLA_TEMPORAL_ADDRESS": f"127.0.0.1:{args.port}",
        "PRUNELLA_HTTP_PORT": str(args.port + 2),
        "PRUNELLA_WEBHOOK_PORT": "0",
        "PRUNELLA_LOG_LEVEL": "warning",
    }
    temporal = [
        str(BIN / "temporal"), "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(args.port),
        "--db-filename", str(folder / "temporal.db"), "--log-level", "error",
    ]  # fmt: skip
    async with Api(kubeconfig) as api:
        with running(temporal, {}, folder / "temporal.log"):
            pods = await fill(api, args.pods)
            operator = await as_pod(api, env, folder / "account")
            with running(operator, env, folder / "operator.log") as process:
                began = time.monotonic()
                await ready(args.port + 2)
                result = {"ready after (s)": time.monotonic() - began}
                await asyncio.sleep(args.quiet)
                before = usage(process.pid)
                result["RSS when all is quiet (MiB)"] = before.rss
                latencies = await break_pods(api, pods, args.faults, args.rate)
                await asyncio.sleep(3)
                after = usage(process.pid)
                result["RSS after the faults (MiB)"] = after.rss
                result["peak RSS (MiB)"] = after.peak
                result["CPU per fault (ms)"] = (after.cpu - before.cpu) / len(latencies) * 1000
                result["faults"] = args.faults
                result["incidents"] = len(latencies)
                result["status write to Incident, p50 (ms)"] = percentile(latencies, 0.5) * 1000
                result["status write to Incident, p99 (ms)"] = percentile(latencies, 0.99) * 1000
    return result


async def break_pods(api, pods, faults, rate):
    """Break one pod of each of `faults` Deployments, and wait until every Incident is there."""
    chosen = {pod["metadata"]["labels"]["app"]: pod["metadata"]["name"] for pod in pods}
    seen, written = {}, {}
    watching = asyncio.create_task(api.watch("/apis/prunella.dev/v1alpha1/incidents", seen))
    await asyncio.sleep(0.5)
    for app, name in list(chosen.items())[:faults]:
        path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/status"
        await api.call("PATCH", path, broken_status(), "application/strategic-merge-patch+json")
        written[workload_key(WorkloadRef(kind="Deployment", namespace=NAMESPACE, name=app))] = time.monotonic()
        await asyncio.sleep(1 / rate)
    for _ in range(600):
        if len(seen) >= len(written):
            break
        await asyncio.sleep(0.05)
    await end(watching)
    return [seen[key] - at for key, at in written.items() if key in seen]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--faults", type=int, default=200, help="at most one for each 25 pods")
    parser.add_argument("--rate", type=float, default=10.0, help="faults per second")
    parser.add_argument("--quiet", type=float, default=10.0, help="seconds to wait before memory is read")
    parser.add_argument("--name", default="bench", help="name of the cluster that is made for this")
    parser.add_argument("--port", type=int, default=17233, help="first of three free ports")
    args = parser.parse_args()
    args.faults = min(args.faults, args.pods // PODS_EACH)
    try:
        cluster("up", "--simulated", "--no-audit", name=args.name)
        kubeconfig = cluster("kubeconfig", name=args.name)
        asyncio.run(prepare(kubeconfig))
        with tempfile.TemporaryDirectory() as folder:
            result = asyncio.run(measure(args, kubeconfig, Path(folder)))
    finally:
        cluster("down", name=args.name)
    table = Table("figure", "value", title=f"prunella operator, {args.pods} pods, {args.rate:g} faults/s")
    for name, value in result.items():
        table.add_row(name, f"{value:.1f}" if isinstance(value, float) else str(value))
    Console().print(table)


async def prepare(kubeconfig):
    import yaml

    async with Api(kubeconfig) as api:
        for file in sorted((ROOT / "crds").glob("*.yaml")):
            crd = yaml.safe_load(file.read_text())
            await api.call("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
        await asyncio.sleep(2)


if __name__ == "__main__":
    main()
