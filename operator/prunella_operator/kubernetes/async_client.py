"""A small REST client for the operator process, which must stay below 110 MiB and so cannot hold typed models.

Speaks JSON over aiohttp and translates answers to the errors of `prunella_workflows.model.errors`, with the API
server's own words. It never retries (but a refusal, once) and never decides: the caller knows whether a second try
makes sense.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec

from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.api import Object
from prunella_operator.kubernetes.decoding import Page, Undecodable, decode, read_status
from prunella_operator.kubernetes.paths import plain
from prunella_operator.kubernetes.startup_denials import FORBIDDEN, READY, DenialFilter
from prunella_operator.observability import metrics, tracing
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound, PrunellaError, Refused, Unavailable
from prunella_workflows.model.redaction import redact

T = TypeVar("T")


class AlreadyExists(Conflict):
    """An object of that name is there already; for a create that may be repeated, this is success."""


_ERRORS: dict[int, type[PrunellaError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}
# Worth another try although the code is below 500: time-out, expired list, too early, too many.
_PASSING = frozenset({408, 410, 425, 429})
_SERVER_ERROR = 500
_OK = 300
_PAGE = 500  # objects


def to_error(code: int, body: bytes) -> PrunellaError:
    """Our error for an answer of the API server. It may echo values of a pod spec, so its words are redacted."""
    status = read_status(body, code)
    kind = _ERRORS.get(code, Refused)
    if code >= _SERVER_ERROR or code in _PASSING:
        kind = Unavailable
    elif kind is Conflict and status.reason == "AlreadyExists":
        kind = AlreadyExists
    return kind(redact(status.message) or f"the API server answered {code}")


def anybody() -> None:
    """Whoever asks may write."""


class AsyncClient:
    """Calls to one API server. Use it as an async context manager; every call has a total time-out in seconds.

    `may_write` is asked right before a write is sent, and raises when that may not be.
    """

    def __init__(self, access: Access, timeout: float = 10.0, may_write: Callable[[], None] = anybody) -> None:
        self._access = access
        self._may_write = may_write
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._refusals = DenialFilter()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()
        self._session = None

    async def get(self, path: str, params: Mapping[str, str] | None = None) -> Object:
        """The object at the path."""
        return await self._object("GET", path, params)

    async def read(self, path: str, into: type[T], params: Mapping[str, str] | None = None) -> T:
        """The object at the path, decoded into a msgspec type: only what the type names is built."""
        return _decoded(await self._call("GET", path, params), into)

    async def list(self, path: str, params: Mapping[str, str] | None = None, *, into: type[T]) -> tuple[T, ...]:
        """All objects of a collection."""
        return tuple([one async for one in self.each(path, params, into=into)])

    async def each(self, path: str, params: Mapping[str, str] | None = None, *, into: type[T]) -> AsyncIterator[T]:
        """The objects of a collection one by one: of those that are not kept, no more than a page is held."""
        query = {"limit": str(_PAGE), **(params or {})}
        while True:
            page = _decoded(await self._call("GET", path, query), Page)
            for item in page.items or ():
                yield _decoded(item, into)
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_

    async def create(self, path: str, body: Object, params: Mapping[str, str] | None = None) -> Object:
        """The object as created. Raises AlreadyExists when the name is taken."""
        return await self._object("POST", path, params, body, "application/json")

    async def patch(
        self, path: str, body: Object | Sequence[Object], content_type: str, params: Mapping[str, str] | None = None
    ) -> Object:
        """The object as patched; JSON patch, merge patch or apply by the content type."""
        return await self._object("PATCH", path, params, body, content_type)

    async def delete(self, path: str, seen: Mapping[str, str] | None = None) -> None:
        """Delete the object. Raises Conflict when its uid or resourceVersion is not the one that was seen."""
        body: Object | None = {"preconditions": dict(seen)} if seen else None
        await self._call("DELETE", path, None, body, "application/json" if body else "")

    async def _object(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Object | Sequence[Object] | None = None,
        content_type: str = "",
    ) -> Object:
        return _decoded(await self._call(method, path, params, body, content_type), Object)

    async def _call(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Object | Sequence[Object] | None = None,
        content_type: str = "",
    ) -> bytes:
        """The answer, which is no error. A refusal is asked for twice, see `DenialFilter`."""
        code, content = await self._answer(method, path, params, body, content_type)
        if code == FORBIDDEN:
            self._refusals.check((await self._answer("GET", READY, None))[0])
            code, content = await self._answer(method, path, params, body, content_type)
        if code >= _OK:
            raise to_error(code, content)
        return content

    async def _answer(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Object | Sequence[Object] | None = None,
        content_type: str = "",
    ) -> tuple[int, bytes]:
        assert self._session is not None, "use Rest as an async context manager"
        url = self._access.server + plain(path)
        # In a thread: credentials are files, or even a command that a kubeconfig names.
        options = await asyncio.to_thread(self._access.options)
        data = None if body is None else msgspec.json.encode(body)
        if content_type:
            options["headers"]["Content-Type"] = content_type
        with tracing.request("kubernetes", method, path) as traced:
            options["headers"] |= traced.headers
            if method != "GET":
                self._may_write()
            try:
                async with self._session.request(method, url, params=params, data=data, **options) as answer:
                    traced.answered(answer.status)
                    metrics.API_REQUESTS.labels(method, str(answer.status)).inc()
                    return answer.status, await answer.read()
            except (aiohttp.ClientError, TimeoutError) as error:
                self._refusals.away()
                metrics.API_REQUESTS.labels(method, "none").inc()
                raise Unavailable(f"{method} {path}: {str(error) or type(error).__name__}") from error


def decoded(data: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """An answer of the API server. Raises Unavailable when it is none."""
    try:
        return decode(decoder, data)
    except Undecodable as error:
        raise Unavailable(f"the API server's answer cannot be read: {error}") from error


def _decoded(data: bytes | msgspec.Raw, into: type[T]) -> T:
    return decoded(data, msgspec.json.Decoder(into))
