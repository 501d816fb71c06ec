"""Creates realistic pods on the fake nodes of a simulated cluster, for `sensor.py --kubeconfig`. Removes nothing.

python hack/cluster up --name bench --simulated --nodes 10 --no-audit
python tests/bench/sensor_pods.py --kubeconfig FILE --pods 5000
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fakes.pods import realistic

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.api import MERGE_PATCH
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.decoding import Page
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_workflows.model.errors import Forbidden, Unavailable
from prunella_workflows.model.labels import IGNORE

NAMESPACES = 20
_AT_ONCE = 20
_TELL_EVERY = 1000
_LOOK_EVERY = 5  # seconds: to find the last one, the API server reads all pods


def body(number, nodes):
    """A pod that Prunella sees and leaves alone, so that its faults open no incidents."""
    pod = realistic(number)
    meta, spec = pod["metadata"], pod["spec"]
    keep = {key: meta[key] for key in ("name", "namespace", "labels", "annotations")}
    keep["labels"] = {**keep["labels"], IGNORE: "true"}
    spec = {**spec, "nodeName": f"fake-{number % nodes}", "automountServiceAccountToken": False}
    del spec["serviceAccountName"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": keep, "spec": spec}


async def create(rest, number, nodes):
    pod = body(number, nodes)
    for _ in range(100):
        try:
            await rest.create(f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods", pod)
        except (Forbidden, Unavailable):  # the namespace's service account is not there yet, or the server is busy
            await asyncio.sleep(0.5)
        except AlreadyExists:
            return
        else:
            return
    raise SystemExit(f"cannot create pod {number}")


async def count(rest, path="/api/v1/pods"):
    """Count the objects of a collection without reading them."""
    page = await rest.get(path, {"limit": "1"})
    return len(page["items"]) + page["metadata"].get("remainingItemCount", 0)


async def all_run(rest):
    """Check that no pod waits any more for its (fake) kubelet; False also if the API server is too busy to answer."""
    waiting = {"fieldSelector": "status.phase=Pending", "limit": "1"}
    try:
        return not (await rest.read("/api/v1/pods", Page, waiting)).items
    except Unavailable:
        return False


async def fill(rest, pods, nodes, log_progress=print):
    """Create pods until there are so many; existing ones stay."""
    for number in range(NAMESPACES):
        try:
            await rest.create("/api/v1/namespaces", {"metadata": {"name": f"shop-{number}"}})
        except AlreadyExists:
            continue
    began = time.monotonic()
    numbers = iter(range(max(0, await count(rest) - _AT_ONCE), pods))  # an interrupted run may have left gaps there

    async def some():
        for number in numbers:
            await create(rest, number, nodes)
            if number % _TELL_EVERY == _TELL_EVERY - 1:
                log_progress(f"{number + 1} of {pods} pods are created ({time.monotonic() - began:.0f} s)")

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))
    while not await all_run(rest):  # noqa: ASYNC110 - a poll will do here
        await asyncio.sleep(_LOOK_EVERY)
    log_progress(f"{pods} pods run after {time.monotonic() - began:.0f} s")


async def relieve(rest, targets):
    """Let the API server forget which fields of these pods are whose.

    Tracking that is a third of its work for a status write, and two cores could not handle 200 a second.
    """
    for namespace, name, _ in targets:
        await rest.patch(paths.core(namespace, "pods", name), {"metadata": {"managedFields": [{}]}}, MERGE_PATCH)


async def run(options):
    async with AsyncClient(load_access(options.kubeconfig), timeout=60) as rest:
        await fill(rest, options.pods, options.nodes)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--nodes", type=int, default=10)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
