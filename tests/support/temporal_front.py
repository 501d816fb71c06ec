"""A TLS front of a Temporal server, as a proxy or Temporal Cloud has: it may want client certificates or an API key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc


class _Forwarding(grpc.GenericRpcHandler):
    """Sends every request on as it is, and keeps its metadata."""

    def __init__(self, channel: grpc.aio.Channel, api_key: str | None, seen: dict[str, str | bytes]) -> None:
        self._channel = channel
        self._api_key = api_key
        self._seen = seen

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        call = self._channel.unary_unary(handler_call_details.method)

        async def forward(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
            self._seen.update(dict(context.invocation_metadata() or ()))
            if self._api_key and self._seen.get("authorization") != f"Bearer {self._api_key}":
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown API key")
            try:
                return await call(request, timeout=context.time_remaining())
            except grpc.aio.AioRpcError as error:
                await context.abort(error.code(), error.details() or "")
                raise

        return grpc.unary_unary_rpc_method_handler(forward)


@asynccontextmanager
async def tls_front(
    target: str, pair: tuple[Path, Path], *, client_ca: Path | None = None, api_key: str | None = None
) -> AsyncIterator[tuple[str, dict[str, str | bytes]]]:
    """Serve with this certificate and key. Yields HOST:PORT, and the metadata of the requests so far."""
    certificate, key = (path.read_bytes() for path in pair)
    roots = client_ca.read_bytes() if client_ca else None
    identity = grpc.ssl_server_credentials([(key, certificate)], roots, require_client_auth=client_ca is not None)
    seen: dict[str, str | bytes] = {}
    async with grpc.aio.insecure_channel(target) as channel:
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((_Forwarding(channel, api_key, seen),))
        port = server.add_secure_port("127.0.0.1:0", identity)
        await server.start()
        try:
            yield f"127.0.0.1:{port}", seen
        finally:
            await server.stop(None)
