"""A fake API server with many realistic pods, in a process of its own so that its memory and CPU are not the sensor's.

Pods are kept as bytes. It supports lists in pages, watches, and the one kind of status patch that `sensor.py` sends.
"""

import argparse
import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[1]))
from fakes.pods import realistic


def resources(group_version, **kinds):
    """One answer of the discovery API."""
    verbs = ["get", "list", "watch", "patch"]
    listed = [
        {"name": name, "singularName": kind.lower(), "namespaced": name == "pods", "kind": kind, "verbs": verbs}
        for name, kind in kinds.items()
    ]
    return {"kind": "APIResourceList", "groupVersion": group_version, "resources": listed}


# kopf does not start without these, even if its settings tell it not to watch them.
EXTENSIONS = "apiextensions.k8s.io"
VERSION = {"groupVersion": f"{EXTENSIONS}/v1", "version": "v1"}
DISCOVERY = {
    "/version": {"major": "1", "minor": "34"},
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": resources("v1", pods="Pod", namespaces="Namespace"),
    "/apis": {"groups": [{"name": EXTENSIONS, "versions": [VERSION], "preferredVersion": VERSION}]},
    f"/apis/{EXTENSIONS}/v1": resources(f"{EXTENSIONS}/v1", customresourcedefinitions="CustomResourceDefinition"),
}


def encode(obj):
    return json.dumps(obj, separators=(",", ":")).encode()


class Server:
    def __init__(self, count):
        self.version = count
        self.pods = [realistic(number, version=number + 1) for number in range(count)]
        self.bytes = [encode(pod) for pod in self.pods]
        self.index = {pod["metadata"]["name"]: number for number, pod in enumerate(self.pods)}
        self.watchers = set()

    async def handle(self, request):
        if request.path in DISCOVERY:
            return web.json_response(DISCOVERY[request.path])
        if request.method == "PATCH":
            return await self.patch(request)
        if not request.path.endswith("/pods"):
            return web.json_response({"kind": "Status", "code": 404, "reason": "NotFound"}, status=404)
        if request.query.get("sendInitialEvents"):
            return web.json_response({"kind": "Status", "code": 422, "reason": "Invalid"}, status=422)
        return await (self.watch(request) if request.query.get("watch") else self.list(request))

    async def list(self, request):
        start, limit = int(request.query.get("continue") or 0), int(request.query.get("limit") or len(self.bytes))
        token = str(start + limit) if start + limit < len(self.bytes) else ""
        head = encode({"resourceVersion": str(self.version), "continue": token})
        items = b",".join(self.bytes[start : start + limit])
        body = b'{"kind":"PodList","apiVersion":"v1","metadata":' + head + b',"items":[' + items + b"]}"
        return web.Response(body=body, content_type="application/json")

    async def watch(self, request):
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        queue = asyncio.Queue()
        self.watchers.add(queue)
        try:
            while True:
                await response.write(await queue.get())
        finally:
            self.watchers.discard(queue)

    async def patch(self, request):
        number = self.index[request.path.split("/")[-2]]
        pod, change = self.pods[number], await request.json()
        self.version += 1
        pod["metadata"]["resourceVersion"] = str(self.version)
        pod["status"]["containerStatuses"][0].update(change["status"]["containerStatuses"][0])
        self.bytes[number] = encode(pod)
        for queue in self.watchers:
            queue.put_nowait(b'{"type":"MODIFIED","object":' + self.bytes[number] + b"}\n")
        return web.Response(body=self.bytes[number], content_type="application/json")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pods", type=int, default=5000)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    app = web.Application(client_max_size=1 << 24)
    app.router.add_route("*", "/{path:.*}", Server(options.pods).handle)
    web.run_app(
        app, host="127.0.0.1", port=options.port, access_log=None, handler_cancellation=True, shutdown_timeout=1
    )


if __name__ == "__main__":
    main()
