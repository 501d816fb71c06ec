"""The process's HTTP endpoints: /healthz, /readyz with reasons, /metrics."""

from collections.abc import Callable
from functools import partial

from aiohttp import web
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import REGISTRY

Readiness = Callable[[], dict[str, str]]
"""Each part of the process and what keeps it from being ready ("" when it is)."""


def build_app(readiness: Readiness) -> web.Application:
    """Build the application. /healthz shows that the event loop runs; /readyz is the readiness of all parts."""
    app = web.Application()
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/readyz", partial(_readyz, readiness))
    app.router.add_get("/metrics", _metrics)
    return app


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _readyz(readiness: Readiness, _: web.Request) -> web.Response:
    parts = readiness()
    lines = [f"{name}: {reason or 'ok'}" for name, reason in parts.items()]
    return web.Response(text="\n".join(lines) + "\n", status=503 if any(parts.values()) else 200)


async def _metrics(request: web.Request) -> web.Response:
    """Encode in the requested format; only OpenMetrics carries exemplars."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(REGISTRY), headers={"Content-Type": content_type})
