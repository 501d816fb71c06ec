"""A fake API server on loopback that tests can script, request by request.

Unscripted, it lists `objects` in pages and holds watches open; `send` writes to them. Scripted responses are taken from
`lists` and `watches` in order, one for each request of that kind. With `protobuf` it responds in that format.
"""

import asyncio
import json
import ssl
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from fakes import protobuf
from support.certificates import Authority

from prunella_operator.kubernetes.access import Access

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Json = dict[str, Any]
JSON, PROTOBUF = "application/json", "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True)
class ReceivedRequest:
    """A received request."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FakeApi:
    objects: list[Json] = field(default_factory=list)
    version: int = 100
    lists: deque[Answer] = field(default_factory=deque)
    watches: deque[Answer] = field(default_factory=deque)
    others: deque[Answer] = field(default_factory=deque)
    requests: list[ReceivedRequest] = field(default_factory=list)
    token: Callable[[], str] = lambda: ""
    port: int = 0
    protobuf: bool = False
    authority: Authority | None = None
    """Signs its certificate; without one it speaks plain HTTP."""
    _runner: web.AppRunner | None = None
    _open: list[asyncio.Queue[bytes]] = field(default_factory=list)

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def start(self):
        app = web.Application(client_max_size=1 << 26)
        app[API] = self
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.05, handler_cancellation=True, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls()).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self):
        runner, self._runner = self._runner, None
        if runner:
            await runner.cleanup()

    @property
    def access(self):
        scheme, trusted = ("https", str(self.authority.path)) if self.authority else ("http", None)
        return Access(server=f"{scheme}://127.0.0.1:{self.port}", ca_path=trusted, authorization=self.token)

    def _tls(self):
        if self.authority is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*map(str, self.authority.issue("server")))
        return context

    @property
    def watching(self):
        return len(self._open)

    def of(self, sort):
        """The requests of one kind: `list`, `watch` or `other`."""
        return [seen for seen in self.requests if _sort(seen.method, seen.query) == sort]

    def send(self, *changes):
        """Write to every open watch."""
        for stream in self._open:
            for change in changes:
                stream.put_nowait(self.encode(change))

    def encode(self, change):
        """The encoded change; bytes are sent as they are."""
        if isinstance(change, bytes):
            return change
        return protobuf.frame(change) if self.protobuf else json.dumps(change).encode() + b"\n"

    def watch_response(self):
        return web.StreamResponse(headers={"Content-Type": f"{PROTOBUF};stream=watch" if self.protobuf else JSON})

    def _encode_response(self, answer):
        """The response in the server's format."""
        if self.protobuf and answer.content_type == JSON:
            body = protobuf.answer(json.loads(answer.body))
            return web.Response(body=body, status=answer.status, headers={**answer.headers, "Content-Type": PROTOBUF})
        return answer

    async def _handle(self, request):
        query = dict(request.query)
        self.requests.append(
            ReceivedRequest(
                request.method,
                request.path,
                query,
                request.headers.get("Authorization", ""),
                dict(request.headers),
                await request.read(),
            )
        )
        sort = _sort(request.method, query)
        script = {"list": self.lists, "watch": self.watches, "other": self.others}[sort]
        if script:
            return self._encode_response(await script.popleft()(request))
        return self._encode_response(await (self._watch(request) if sort == "watch" else self._list(request)))

    async def _list(self, request):
        start, limit = int(request.query.get("continue", 0)), int(request.query.get("limit", 500))
        rest = start + limit < len(self.objects)
        return page_body(self.objects[start : start + limit], self.version, str(start + limit) if rest else "")

    async def _watch(self, request):
        response = self.watch_response()
        await response.prepare(request)
        stream = asyncio.Queue()
        self._open.append(stream)
        try:
            while True:
                await response.write(await stream.get())
        finally:
            self._open.remove(stream)


API = web.AppKey("API", FakeApi)


def _sort(method, query):
    if method != "GET":
        return "other"
    return "watch" if query.get("watch") else "list"


def page_body(items, version, token=""):
    return web.json_response(
        {"kind": "List", "metadata": {"resourceVersion": str(version), "continue": token}, "items": items}
    )


def page(items, version, token=""):
    async def answer(_request):
        return page_body(items, version, token)

    return answer


def status(code, reason="", message="", headers=None):
    body = {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}

    async def answer(_request):
        return web.json_response(body, status=code, headers=headers)

    return answer


def raw(body, code=200):
    async def answer(_request):
        return web.Response(body=body, status=code)

    return answer


def stream(*changes, then="close"):
    """A watch that sends these changes, and then closes, cuts or holds the connection."""

    async def answer(request):
        api = request.app[API]
        response = api.watch_response()
        await response.prepare(request)
        for change in changes:
            await response.write(api.encode(change))
        if then == "hold":
            await asyncio.Event().wait()
        if then == "cut":
            await asyncio.sleep(0.02)
            request.transport.abort()
        return response

    return answer


def error(code, reason="", message="", **details):
    """An ERROR event."""
    body = {"kind": "Status", "message": message, "reason": reason, "code": code, "details": details}
    return {"type": "ERROR", "object": body}


def added(obj):
    return {"type": "ADDED", "object": obj}


def modified(obj):
    return {"type": "MODIFIED", "object": obj}


def deleted(obj):
    return {"type": "DELETED", "object": obj}


def bookmark(version):
    return {"type": "BOOKMARK", "object": {"kind": "Pod", "metadata": {"resourceVersion": str(version)}}}


async def eventually(condition, within=3.0):
    deadline = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not happen in time"
        await asyncio.sleep(0.002)
