"""The console with many Incidents and viewers: memory and CPU of its process, and how long a page takes.

`python tests/bench/console.py --incidents 2000 --viewers 10 --seconds 60`: the real process, `prunella console`,
against a fake API server with Incidents of 5.6 KB, of which one changes each second. Each viewer fetches the overview
every three seconds, as the page itself does. Temporal is away: the console does not need it.
"""

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

import aiohttp
import yaml
from proc import percentile, usage

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "hack" / "cluster"))
from fakes.apiserver import FakeApi, modified
from fakes.incidents import incident
from localcluster.ports import free_ports

from prunella_operator import tasks

REFRESH_SECONDS = 3.0
PHASES = ("Healed", "Healed", "Healed", "Recovered", "Escalated", "Diagnosing")


def an_incident(number, version):
    """An Incident of 5.6 KB, as one that was healed."""
    moment = f"2026-11-{number % 28 + 1:02}T11:00:00Z"
    status = {
        "message": f"SetMemory healed Deployment/checkout-{number}: 3 pod(s) ready and stable for 30 s.",
        "target": f"Deployment/checkout-{number}",
        "rootCause": "pod_oom_killed",
        "action": "SetMemory",
        "healedIn": "42s",
        "times": dict.fromkeys(("faultAt", "detectedAt", "startedAt", "healedAt", "closedAt"), moment),
        "evidence": [{"source": f"Pod/{each}", "message": "last exit code 137 " * 12} for each in range(10)],
        "diff": "-  memory: 64Mi\n+  memory: 128Mi\n" * 50,
    }
    made = incident(f"checkout-{number}", f"shop-{number % 20}", PHASES[number % len(PHASES)], **status)
    fields = [{"manager": "prunella", "fieldsV1": {f"f:{each}": {} for each in range(60)}}]
    made["metadata"] |= {"resourceVersion": str(version), "creationTimestamp": moment, "managedFields": fields}
    return made


def start(api, folder, console, health):
    """The console's process."""
    kubeconfig = {
        "current-context": "bench",
        "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        "clusters": [{"name": "bench", "cluster": {"server": api.access.server}}],
        "users": [{"name": "bench", "user": {}}],
    }
    (path := folder / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    settings = {"KUBECONFIG": path, "CONSOLE_PORT": console, "HTTP_PORT": health, "TEMPORAL_ADDRESS": "127.0.0.1:9"}
    variables = {f"PRUNELLA_{name}": str(value) for name, value in settings.items()}
    return subprocess.Popen([sys.executable, "-m", "prunella_operator", "console"], env={**os.environ, **variables})


async def change(api, count):
    """Change one Incident each second."""
    for version in itertools.count(count + 1):
        await asyncio.sleep(1.0)
        api.send(modified(an_incident(version % count, version)))


async def view(url, times):
    """Fetch the page as a browser does; note how long it takes."""
    async with aiohttp.ClientSession() as session:
        while True:
            began = monotonic()
            async with session.get(url) as response:
                await response.read()
                response.raise_for_status()
            times.append(monotonic() - began)
            await asyncio.sleep(REFRESH_SECONDS)


async def ready(url, process):
    """Wait for the first page."""
    async with aiohttp.ClientSession() as session:
        while process.poll() is None:
            try:
                async with session.get(url) as response:
                    if response.ok:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.2)
    raise SystemExit("the console has ended")


async def measure(options, folder):
    """Print one row of a table."""
    objects = [an_incident(number, number + 1) for number in range(options.incidents)]
    async with FakeApi(objects, version=options.incidents) as api:
        console, health = free_ports(2)
        process, url = start(api, folder, console, health), f"http://127.0.0.1:{console}/"
        try:
            await ready(url, process)
            idle, times = usage(process.pid), []
            viewers = [asyncio.create_task(view(url, times)) for _ in range(options.viewers)]
            changes = asyncio.create_task(change(api, options.incidents))
            await asyncio.wait([*viewers, changes], timeout=options.seconds, return_when=asyncio.FIRST_EXCEPTION)
            end = usage(process.pid)
        finally:
            process.terminate()
            process.wait()
        for task in (*viewers, changes):
            if task.done():
                task.result()
        await tasks.end(*viewers, changes)
    print("| Incidents | viewers | MiB, idle | MiB, peak | pages | % of a core | page p50 / p99 (ms) |")
    print("|---|---|---|---|---|---|---|")
    share = 100 * (end.cpu - idle.cpu) / options.seconds
    page = " / ".join(f"{1000 * percentile(times, part):.0f}" for part in (0.5, 0.99))
    row = (options.incidents, options.viewers, f"{idle.rss:.0f}", f"{end.peak:.0f}", len(times), f"{share:.1f}", page)
    print("| " + " | ".join(map(str, row)) + " |")


def main():
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--incidents", type=int, default=2000)
    parser.add_argument("--viewers", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60.0)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(parser.parse_args(), Path(folder)))


if __name__ == "__main__":
    main()
