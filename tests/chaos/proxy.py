"""A TLS-terminating proxy before the API server that injects network faults and holds a call at a named point.

It serves one port for each caller, so that it knows who calls. Credentials pass
through, so the API server sees and records the real caller.
"""

import asyncio
import json
import random  # noqa: TID251 - seeded, and no part of the brain
import re
import ssl
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import aiohttp
from aiohttp import web
from support.api import Object
from yarl import URL

from prunella_operator.tasks import end
from prunella_workflows.model.errors import PrunellaError

T = TypeVar("T")

FAULTS = ("409", "429", "500", "time-out", "lost reply", "late")
"""Error answers in the API server's name; no answer and no effect; an effect without an answer; a late effect."""

RATES = {"PATCH": 0.15, "POST": 0.08, "GET": 0.01}
_READS = ("409", "lost reply", "late")  # make no sense, or no difference, for a GET
_HOP = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}
_METRICS = re.compile(r"/apis/metrics.k8s.io/v1beta1/namespaces/([^/]+)/pods")
_STATUS = {"409": (409, "Conflict"), "429": (429, "TooManyRequests"), "500": (500, "InternalError")}


@dataclass(frozen=True)
class Call:
    """One request, as far as the proxy looks at it."""

    who: str
    method: str
    path: str
    body: bytes = field(repr=False, default=b"")

    def json(self) -> object:
        """The body; None when it is not JSON."""
        with suppress(ValueError):
            return json.loads(self.body)
        return None


class Gate(Protocol):
    """Hooks around a call. Both may block: the call is held until they return."""

    def before(self, call: Call) -> str:
        """Before the API server gets it; returns what to do then: "forward", "late" or "drop"."""

    def after(self, call: Call, code: int) -> None:
        """After the API server did it, before the caller receives the response."""


class NetworkFaults:
    """Seeded faults: the n-th call of a kind to a path always gets the same one, whatever comes in between."""

    def __init__(self, seed: str = "", intensity: float = 0.0, longest: float = 8.0) -> None:
        self._seed = seed
        self._intensity = intensity
        self._longest = longest
        self._calls: Counter[tuple[str, str, str]] = Counter()
        self.made: Counter[tuple[str, str, str]] = Counter()
        """The number of faults, by caller, method and fault."""

    def fault(self, call: Call) -> tuple[str, float]:
        """The fault of this call, "" for none, and how many seconds it takes where it takes any."""
        key = (call.who, call.method, call.path)
        self._calls[key] += 1
        rng = random.Random(f"{self._seed}/{key}/{self._calls[key]}")
        if rng.random() >= RATES.get(call.method, 0.0) * self._intensity:
            return "", 0.0
        fault = rng.choice([fault for fault in FAULTS if call.method != "GET" or fault not in _READS])
        self.made[call.who, call.method, fault] += 1
        return fault, rng.uniform(0.5, self._longest)


class Proxy:
    """A proxy in a thread of its own. Use it as a context manager."""

    def __init__(
        self,
        upstream: str,
        authority: str,
        certificate: Path,
        key: Path,
        gate: Gate,
        *,
        callers: tuple[str, ...] = ("operator", "worker"),
    ) -> None:
        self._upstream = upstream
        self._trust = ssl.create_default_context(cafile=authority)
        self._own = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._own.load_cert_chain(certificate, key)
        self._gate = gate
        self._callers = callers
        self._up = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end: asyncio.Event | None = None
        self._late: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="proxy", daemon=True)
        self.network_faults = NetworkFaults()
        self.pod_metrics: Callable[[str], Object] | None = None
        """The answer of a metrics-server about the pods of a namespace."""
        self.ports: dict[str, int] = {}

    def __enter__(self):
        self._thread.start()
        assert self._up.wait(10), "the proxy does not start"
        return self

    def __exit__(self, *exc: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)

    @property
    def idle(self) -> bool:
        """Check that no late call is still on its way."""
        return not self._late

    async def _serve(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_default_executor(ThreadPoolExecutor(32, thread_name_prefix="gate"))
        # One connection per call: a connection that died with an API server must not fail the next call as well.
        connector = aiohttp.TCPConnector(ssl=self._trust, limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as self._session:
            runners = [await self._listen(who) for who in self._callers]
            self._up.set()
            await self._end.wait()
            await end(*self._late)
            for runner in runners:
                await runner.cleanup()

    async def _listen(self, who: str) -> web.AppRunner:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", partial(self._handle, who))
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=self._own)
        await site.start()
        self.ports[who] = site._server.sockets[0].getsockname()[1]
        return runner

    async def _handle(self, who: str, request: web.Request) -> web.StreamResponse:
        call = Call(who, request.method, request.path, await request.read())
        if self.pod_metrics is not None and (pod_metrics_path := _METRICS.fullmatch(request.path)):
            return await self._serve_pod_metrics(request, pod_metrics_path[1])
        if request.query.get("watch") in {"1", "true"}:
            return await self._stream(request, call)
        fault, seconds = self.network_faults.fault(call)
        if fault in _STATUS:
            return _error_response(fault)
        if fault == "time-out":
            await asyncio.sleep(seconds)
            return _hang_up(request)
        return await self._forward_through_gate(request, call, fault, seconds)

    async def _serve_pod_metrics(self, request: web.Request, namespace: str) -> web.StreamResponse:
        """Answer in metrics-server's name."""
        assert self.pod_metrics is not None
        try:
            return web.json_response(await self._call_gate(self.pod_metrics, namespace))
        except PrunellaError:
            return _hang_up(request)

    async def _forward_through_gate(
        self, request: web.Request, call: Call, fault: str, seconds: float
    ) -> web.StreamResponse:
        """Pass a call through the gate to the API server, and the answer through the gate to the caller."""
        order = await self._call_gate(self._gate.before, call)
        order = "late" if fault == "late" else order
        if order != "forward":
            if order == "late":
                self._forward_late(request, call, seconds or 5.0)
            return _hang_up(request)
        try:
            code, headers, body = await self._forward(request, call)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return _hang_up(request)
        await self._call_gate(self._gate.after, call, code)
        if fault == "lost reply":
            return _hang_up(request)
        return web.Response(status=code, headers=headers, body=body)

    @staticmethod
    async def _call_gate(question: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(None, question, *arguments)

    def _forward_late(self, request: web.Request, call: Call, seconds: float) -> None:
        async def forward() -> None:
            await asyncio.sleep(seconds)
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                await self._forward(request, call)

        task = asyncio.create_task(forward())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _send(self, request: web.Request, call: Call, seconds: float | None):
        headers = [(name, value) for name, value in request.headers.items() if name.lower() not in _HOP]
        url = URL(self._upstream + request.raw_path, encoded=True)
        timeout = aiohttp.ClientTimeout(total=seconds)
        return self._session.request(
            call.method, url, headers=headers, data=call.body or None, timeout=timeout, allow_redirects=False
        )

    async def _forward(self, request: web.Request, call: Call) -> tuple[int, dict[str, str], bytes]:
        async with self._send(request, call, 60) as answer:
            return answer.status, _end_to_end_headers(answer.headers), await answer.read()

    async def _stream(self, request: web.Request, call: Call) -> web.StreamResponse:
        """Pass on a watch, chunk by chunk; hang up when the API server does."""
        try:
            async with self._send(request, call, None) as answer:
                response = web.StreamResponse(status=answer.status, headers=_end_to_end_headers(answer.headers))
                await response.prepare(request)
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                return response
        except (aiohttp.ClientError, OSError, TimeoutError):
            return _hang_up(request)


def _end_to_end_headers(headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name.lower() not in _HOP}


def _error_response(fault: str) -> web.Response:
    code, reason = _STATUS[fault]
    body = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": reason,
        "message": f"{reason}, says the chaos proxy",
        "code": code,
    }
    return web.json_response(body, status=code, headers={"Retry-After": "1"} if fault == "429" else None)


def _hang_up(request: web.Request) -> web.Response:
    """End the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)
