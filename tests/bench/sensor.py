"""The cost of seeing pods: Prunella's pod source, kopf's `on.event` and a Go informer, one after the other, in one run.

For each: memory over what its imports need, time and CPU until all pods are known, and the time from sending a status
patch until the handler is done with it. That includes the API server's own time, which the machine's load decides, so
the time from the server's answer to the handler's end is shown as well (below 0: we knew before the writer did).

Without --kubeconfig it starts a fake API server; with it, pods must be there already (see `sensor_pods.py`), and their
statuses WILL BE CHANGED, so use a cluster that was made for this.

    python tests/bench/sensor.py --pods 5000
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path

import aiohttp
from proc import Usage, percentile, usage
from rich.console import Console
from rich.table import Table

from prunella_operator.kubernetes.access import load_access

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "hack" / "cluster"))

from localcluster import build  # noqa: E402
from localcluster.sources import Group, Program  # noqa: E402

INFORMER = Group("informer", HERE / "informer", (Program("informer", ".", 60),))


@dataclass
class Result:
    name: str
    base: float = 0.0  # MiB after the imports
    idle: float = 0.0  # MiB when all is known and quiet
    peak: float = 0.0
    after: float = 0.0  # MiB after the patches
    sync: float = 0.0  # seconds from the first request on
    start_cpu: float = 0.0  # seconds for the list
    event_cpu: float = 0.0  # seconds for all patches
    latencies: list[float] = field(default_factory=list)  # milliseconds from sending a patch to the handler's end
    lags: list[float] = field(default_factory=list)  # milliseconds from the patch's answer to the handler's end
    patches: int = 0
    seconds: float = 0.0  # that the patches took: the API server may be slower than the wanted rate
    waited: float = 0.0  # seconds without a CPU meanwhile


class Contender:
    """A process that prints `base`, `synced` and `event` on its stdout."""

    def __init__(self, process, log):
        self.process, self.log = process, log
        self.started = time.monotonic()
        self.seen = {}  # (name, resourceVersion) -> nanoseconds
        self.facts = {}
        self.moments = {}
        self.reader = asyncio.create_task(self._read())

    async def _read(self):
        async for line in self.process.stdout:
            word, *rest = line.decode().split()
            if word == "event":
                self.seen.setdefault((rest[0], rest[1]), int(rest[2]))
            else:
                self.facts[word], self.moments[word] = int(rest[0]), time.monotonic()

    async def until(self, word, within):
        deadline = time.monotonic() + within
        while word not in self.facts:
            if self.process.returncode is not None or time.monotonic() > deadline:
                raise SystemExit(f"no {word!r} (exit code {self.process.returncode}): {self.log.read_text()[-2000:]}")
            await asyncio.sleep(0.01)

    @property
    def usage(self) -> Usage:
        return usage(self.process.pid)


@asynccontextmanager
async def contender(command, environ, log):
    with log.open("w") as stderr:
        process = await asyncio.create_subprocess_exec(
            *command, env=environ, stdout=subprocess.PIPE, stderr=stderr, limit=1 << 20
        )
    running = Contender(process, log)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await running.reader


async def measure(name, command, log, options, targets):
    result = Result(name)
    async with contender(command, dict(os.environ), log) as running:
        await running.until("base", 60)
        result.base, before = running.facts["base"] / 1024, running.usage
        await running.until("synced", 600)
        if running.facts["synced"] != options.count:
            raise SystemExit(f"{name} knows {running.facts['synced']} pods of {options.count}")
        result.sync = running.moments["synced"] - running.moments["base"]
        await asyncio.sleep(3)
        quiet, began = running.usage, time.monotonic()
        result.start_cpu, result.idle, result.peak = quiet.cpu - before.cpu, quiet.rss, quiet.peak
        sent = await patch(options, targets)
        result.seconds = time.monotonic() - began
        await asyncio.sleep(2)
        after = running.usage
        result.event_cpu, result.after, result.waited = after.cpu - quiet.cpu, after.rss, after.waited - quiet.waited
        result.patches = len(sent)
        result.latencies = sorted((running.seen[k] - sent[k][0]) / 1e6 for k in sent if k in running.seen)
        result.lags = sorted((running.seen[k] - sent[k][1]) / 1e6 for k in sent if k in running.seen)
    return result


async def patch(options, targets):
    """Patch statuses at a steady rate; return the time each was sent, by its name and new resourceVersion."""
    access, sent, tasks = load_access(), {}, []
    settings = access.options()
    settings["headers"]["Content-Type"] = "application/strategic-merge-patch+json"
    async with aiohttp.ClientSession() as session:

        async def send(number):
            namespace, name, container = targets[number % len(targets)]
            url = f"{access.server}/api/v1/namespaces/{namespace}/pods/{name}/status"
            at = time.time_ns()
            async with session.patch(url, data=oom_killed(container, number), **settings) as answer:
                answer.raise_for_status()
                version = (await answer.json())["metadata"]["resourceVersion"]
            sent[name, version] = at, time.time_ns()

        begin = time.monotonic()
        for number in range(int(options.rate * options.seconds)):
            await asyncio.sleep(max(0.0, begin + number / options.rate - time.monotonic()))
            tasks.append(asyncio.create_task(send(number)))
        await asyncio.gather(*tasks)
    return sent


async def patch_apart(options, targets):
    """Patch in a process of its own, so that nothing here waits; return the number sent."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return await asyncio.get_running_loop().run_in_executor(
            pool, _patch_all, options.rate, options.seconds, targets
        )


def _patch_all(rate, seconds, targets):
    return len(asyncio.run(patch(argparse.Namespace(rate=rate, seconds=seconds), targets)))


def oom_killed(container, number):
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")  # noqa: TID251 - a benchmark may look at the clock
    end = {"exitCode": 137, "reason": "OOMKilled", "startedAt": now, "finishedAt": now}
    status = {"name": container, "restartCount": number + 1, "lastState": {"terminated": end}}
    return json.dumps({"status": {"containerStatuses": [status]}})


async def find_targets(limit=500):
    """Some pods with a status to patch, and how many pods there are."""
    access, count, targets, token = load_access(), 0, [], ""
    async with aiohttp.ClientSession() as session:
        while True:
            params = {"limit": "500", "continue": token}
            async with session.get(f"{access.server}/api/v1/pods", params=params, **access.options()) as answer:
                page = await answer.json()
            count += len(page["items"])
            for pod in page["items"]:
                if len(targets) < limit and pod["status"].get("containerStatuses"):
                    meta, first = pod["metadata"], pod["status"]["containerStatuses"][0]
                    targets.append((meta["namespace"], meta["name"], first["name"]))
            token = page["metadata"].get("continue")
            if not token:
                return count, targets


def fake_server(pods, folder):
    """Start it and return the process; its kubeconfig is in the folder."""
    port = 18765
    process = subprocess.Popen(
        [sys.executable, HERE / "sensor_server.py", "--pods", str(pods), "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    config = {
        "current-context": "fake",
        "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
        "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
        "users": [{"name": "fake", "user": {"token": "fake"}}],
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    return process


async def answering(within=60):
    access = load_access()
    async with aiohttp.ClientSession() as session:
        for _ in range(within * 10):
            try:
                async with session.get(f"{access.server}/version", **access.options()) as answer:
                    return answer.status
            except aiohttp.ClientError:
                await asyncio.sleep(0.1)
    raise SystemExit(f"{access.server} does not answer")


def build_informer():
    """Build it like the cluster's programs, and keep it with them."""
    (program,) = INFORMER.programs
    return build.ensure_program(INFORMER, program)


def show(results, title):
    table = Table(title=title)
    columns = ("", "MiB base", "+ idle", "+ peak", "+ after")
    for column in (
        *columns,
        "sync s",
        "CPU s to sync",
        "CPU ms/event",
        "p50 ms",
        "p99 ms",
        "lag p50",
        "lag p99",
        "seen",
    ):
        table.add_column(column, justify="left" if not column else "right")
    for r in results:
        table.add_row(
            r.name,
            f"{r.base:.1f}",
            *(f"{value - r.base:.1f}" for value in (r.idle, r.peak, r.after)),
            f"{r.sync:.2f}",
            f"{r.start_cpu:.2f}",
            f"{1000 * r.event_cpu / max(1, r.patches):.2f}",
            f"{percentile(r.latencies, 0.5):.1f}",
            f"{percentile(r.latencies, 0.99):.1f}",
            f"{percentile(r.lags, 0.5):.1f}",
            f"{percentile(r.lags, 0.99):.1f}",
            f"{len(r.latencies)}/{r.patches}",
        )
    Console(width=170).print(table)


NAMES = {"ours": "Prunella pod source", "kopf": "kopf on.event('pods')", "go": "client-go shared informer"}


def command(key, count):
    """The command that sees so many pods."""
    match key:
        case "go":
            return [build_informer()]
        case "kopf":
            return [sys.executable, HERE / "sensor_kopf.py", str(count)]
    return [sys.executable, HERE / "sensor_ours.py"]


async def run(options, folder):
    await answering()
    options.count, targets = await find_targets()
    results = []
    for key in options.only:
        print(f"measuring {NAMES[key]} ...", file=sys.stderr)
        results.append(await measure(NAMES[key], command(key, options.count), folder / key, options, targets))
    where = options.kubeconfig or "fake API server"
    show(results, f"{options.count} pods, {options.rate:g} status patches/s for {options.seconds:g} s, {where}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=5000, help="how many pods the fake API server has")
    parser.add_argument("--kubeconfig", help="measure against this cluster instead; its pods' statuses will be changed")
    parser.add_argument("--rate", type=float, default=50, help="status patches per second")
    parser.add_argument("--seconds", type=float, default=20, help="how long to patch")
    parser.add_argument("--only", nargs="+", choices=("ours", "kopf", "go"), default=["ours", "kopf", "go"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = None if options.kubeconfig else fake_server(options.pods, folder)
        os.environ["KUBECONFIG"] = options.kubeconfig or str(folder / "kubeconfig")
        try:
            asyncio.run(run(options, folder))
        finally:
            if server:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    main()
