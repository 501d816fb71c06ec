"""The Kubernetes client of the operator process, which must stay below 110 MiB and so cannot hold typed models.

It raises the errors of `prunella_workflows.model.errors`. It never retries, except for a denied request: the caller
knows whether a retry makes sense.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Self, TypeVar

import aiohttp
import msgspec

from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.api import JSON, Object
from prunella_operator.kubernetes.request import READINESS, Request, RequestMonitor, Response, decode_response
from prunella_operator.kubernetes.session import open_session
from prunella_operator.kubernetes.startup_denials import DENIALS

T = TypeVar("T")
Params = Mapping[str, str]


def allow_writes() -> None:
    """Allow every write."""


class AsyncClient:
    """Calls to one API server. Use it as an async context manager; every call has a total timeout, in seconds.

    `may_write` is called right before a write is sent, and raises to prevent it.
    """

    def __init__(self, access: Access, timeout: float = 10.0, may_write: Callable[[], None] = allow_writes) -> None:
        self._access = access
        self._may_write = may_write
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._monitor = RequestMonitor(access.server, aiohttp.ClientError, TimeoutError)

    async def __aenter__(self) -> Self:
        self._session = open_session(self._timeout)
        return self

    async def __aexit__(self, *error: object) -> None:
        assert self._session is not None
        await self._session.close()
        self._session = None

    async def get(self, path: str, params: Params | None = None) -> Object:
        """Get the object at the path."""
        return await self.read(path, Object, params)

    async def read(self, path: str, into: type[T], params: Params | None = None) -> T:
        """Get the object at the path, decoded into a msgspec type: only the fields that the type names are built."""
        return _decode((await self._request(Request("GET", path, params or {}))).body, into)

    async def list(self, path: str, params: Params | None = None, *, into: type[T]) -> tuple[T, ...]:
        """List all objects of a collection."""
        return tuple([item async for item in self.each(path, params, into=into)])

    async def each(self, path: str, params: Params | None = None, *, into: type[T]) -> AsyncIterator[T]:
        """Iterate over the objects of a collection; of those that the caller drops, at most a page is held."""
        request: Request | None = Request.first_page(path, params)
        while request is not None:
            page = (await self._request(request)).page()
            for item in page.items or ():
                yield _decode(item, into)
            request = request.next_page(page)

    async def create(self, path: str, body: Object, params: Params | None = None) -> Object:
        """Create the object. Raises AlreadyExists when the name is taken."""
        return _decode((await self._request(Request("POST", path, params or {}, body, JSON))).body, Object)

    async def patch(
        self, path: str, body: Object | Sequence[Object], content_type: str, params: Params | None = None
    ) -> Object:
        """Patch the object: JSON patch, merge patch or apply, by the content type."""
        return _decode((await self._request(Request("PATCH", path, params or {}, body, content_type))).body, Object)

    async def delete(self, path: str, seen: Params | None = None) -> None:
        """Delete the object. Raises Conflict when its uid or resourceVersion is not the one in `seen`."""
        body = {"preconditions": dict(seen)} if seen else None
        await self._request(Request("DELETE", path, body=body, content_type=JSON if body else ""))

    async def _request(self, request: Request) -> Response:
        """The successful response. A denied request is sent again once the server is ready, see `DenialFilter`."""
        response = await self._send(request)
        if response.status in DENIALS:
            self._monitor.denials.check((await self._send(READINESS)).status)
            response = await self._send(request)
        return response.check()

    async def _send(self, request: Request) -> Response:
        assert self._session is not None, "use AsyncClient as an async context manager"
        url, method = self._access.server + request.path, request.method
        # In a thread: credentials are files, or even the output of a command that a kubeconfig names.
        options = await asyncio.to_thread(self._access.options)
        data = None if request.body is None else msgspec.json.encode(request.body)
        with self._monitor.attempt(request) as attempt:
            options["headers"] |= attempt.headers
            if method != "GET":
                self._may_write()
            async with self._session.request(method, url, params=request.params, data=data, **options) as response:
                return attempt.complete(response.status, await response.read(), response.headers)


def _decode(data: bytes | msgspec.Raw, into: type[T]) -> T:
    return decode_response(data, msgspec.json.Decoder(into))
