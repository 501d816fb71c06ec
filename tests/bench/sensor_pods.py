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

from prunella_operator.cluster.access import load_access
from prunella_operator.cluster.rest import AlreadyExists, Rest
from prunella_operator.cluster.wire import Head
from prunella_workflows.errors import Forbidden, Unavailable

NAMESPACES = 20


def body(number, nodes):
    pod = realistic(number)
    meta, spec = pod["metadata"], pod["spec"]
    keep = {key: meta[key] for key in ("name", "namespace", "labels", "annotations")}
    spec = {**spec, "nodeName": f"fake-{number % nodes}", "automountServiceAccountToken": False}
    del spec["serviceAccountName"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": keep, "spec": spec}


async def create(rest, number, nodes, room):
    pod = body(number, nodes)
    async with room:
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


async def running(rest):
    pods = await rest.list("/api/v1/pods", {"fieldSelector": "status.phase=Running"}, into=Head)
    return len(pods)


async def run(options):
    room, began = asyncio.Semaphore(20), time.monotonic()
    async with Rest(load_access(options.kubeconfig), timeout=60) as rest:
        for number in range(NAMESPACES):
            try:
                await rest.create("/api/v1/namespaces", {"metadata": {"name": f"shop-{number}"}})
            except AlreadyExists:
                continue
        await asyncio.gather(*(create(rest, number, options.nodes, room) for number in range(options.pods)))
        print(f"{options.pods} pods created in {time.monotonic() - began:.0f} s")
        while await running(rest) < options.pods:  # noqa: ASYNC110 - a poll will do here
            await asyncio.sleep(1)
    print(f"all are running after {time.monotonic() - began:.0f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kubeconfig", required=True)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--nodes", type=int, default=10)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
