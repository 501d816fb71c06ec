"""`Watch`: list and watch one resource until cancelled. Its handler misses no change, and no input can stop it.

A watch must never hold objects, never exit on an error, never spin, and never block the event loop.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Generic, NoReturn

import aiohttp
from msgspec import Raw

from prunella_operator import clock
from prunella_operator.kubernetes.access import Access, RequestOptions
from prunella_operator.kubernetes.decoding import Status, Undecodable, read_status
from prunella_operator.kubernetes.session import open_session
from prunella_operator.kubernetes.watch.formats import ACCEPT, PROTOBUF, Format, Json, Listing
from prunella_operator.kubernetes.watch.known_objects import KnownObjects
from prunella_operator.kubernetes.watch.protobuf import Protobuf
from prunella_operator.kubernetes.watch.resource import Handler, Resource, Scope, T, WatchStats, WatchTimings
from prunella_operator.tasks import end
from prunella_workflows.model.errors import PrunellaError

logger = logging.getLogger(__name__)

_OK, _GONE = 200, 410
# Identity, because decompressing a long list costs more than the network saves inside a cluster.
_HEADERS = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
_JSON, _PROTOBUF = Json(), Protobuf()
_Page = tuple[Listing, Format]


class WatchError(Exception):
    """The API server refused, with an HTTP error or an ERROR event. Never leaves this module."""

    def __init__(self, status: Status, retry_after: float = 0.0) -> None:
        super().__init__(f"{status.code} {status.reason}: {status.message}")
        self.expired = status.code == _GONE or status.reason in {"Expired", "Gone"}
        seconds = status.details.retry_after_seconds if status.details else None
        self.retry_after = retry_after or float(seconds or 0)


@dataclass(slots=True)
class Watch(Generic[T]):
    """List and watch of one resource. `run` ends only by cancellation."""

    access: Access
    resource: Resource[T]
    handler: Handler[T]
    scope: Scope = field(default_factory=Scope)
    timings: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    _known: KnownObjects[T] = field(init=False)
    _version: str = field(init=False, default="")  # where to resume; empty: list first

    def __post_init__(self) -> None:
        self._known = KnownObjects(self.resource, self.handler, self.stats)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        failures = 0
        while True:
            started, events = clock.monotonic(), self.stats.events
            retry_after = await self._run_connection()
            healthy = clock.monotonic() - started >= self.timings.healthy_after
            failures = 0 if healthy or self.stats.events > events else failures + 1
            await asyncio.sleep(max(retry_after, self.timings.backoff(failures)))
            self.stats.reconnects += 1

    async def _run_connection(self) -> float:
        """Run one connection until it ends for any reason; return how long the API server asked us to wait."""
        try:
            await self._connect()
        except WatchError as error:
            self._record(error)
            if error.expired:
                self._version = ""
            return min(error.retry_after, self.timings.max_retry_after)
        except (aiohttp.ClientError, TimeoutError, OSError, Undecodable, PrunellaError) as error:
            self._record(error)
        return 0.0

    async def _connect(self) -> None:
        # Credentials are read again for every connection, so that rotated tokens and certificates are used.
        # In a thread: they are files, or even the output of a command that a kubeconfig names.
        options = await asyncio.to_thread(self.access.options)
        options["headers"].update(_HEADERS)
        async with open_session() as session:
            if not self._version:
                await self._list(session, options)
            await self._stream(session, options)

    async def _list(self, session: aiohttp.ClientSession, options: RequestOptions) -> None:
        uids: set[str] = set()
        async with aclosing(self._pages(session, options)) as pages:
            async for page, wire_format in pages:
                await self._handle_page(page.objects, wire_format, uids)
        if not page.metadata.resource_version:
            raise Undecodable("a list without resourceVersion")
        self._known.retain_only(uids)
        self._version = page.metadata.resource_version
        self.stats.relists += self.stats.synced
        self.stats.synced = True

    async def _pages(self, session: aiohttp.ClientSession, options: RequestOptions) -> AsyncGenerator[_Page]:
        """The pages of the list. Each is requested while the previous one is handled: both take about as long."""
        pending = asyncio.create_task(self._page(session, options, ""))
        try:
            more = True
            while more:
                page, wire_format = await pending
                if more := bool(page.metadata.continue_):
                    pending = asyncio.create_task(self._page(session, options, page.metadata.continue_))
                yield page, wire_format
        finally:
            await end(pending)

    async def _page(self, session: aiohttp.ClientSession, options: RequestOptions, token: str) -> _Page:
        params = {**self.scope.params, "limit": str(self.timings.page_size), **({"continue": token} if token else {})}
        timeout = aiohttp.ClientTimeout(total=self.timings.page_timeout)
        async with session.get(self._url, params=params, timeout=timeout, **options) as response:
            wire_format = await _check_response(response)
            return wire_format.page(await response.read()), wire_format

    async def _handle_page(self, objects: Iterable[Raw], wire_format: Format, uids: set[str]) -> None:
        for number, raw in enumerate(objects, 1):
            uids.add(self._known.upsert(raw, wire_format).uid)
            if not number % self.timings.batch_size:
                await asyncio.sleep(0)
        self.stats.last_activity = clock.monotonic()

    async def _stream(self, session: aiohttp.ClientSession, options: RequestOptions) -> None:
        timings = self.timings
        params = {
            **self.scope.params,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(timings.jitter(*timings.lifetime))),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=timings.page_timeout, sock_read=timings.idle_timeout)
        async with session.get(self._url, params=params, timeout=timeout, **options) as response:
            wire_format = await _check_response(response)
            splitter = wire_format.splitter()
            async for chunk in response.content.iter_any():
                self.stats.last_activity = clock.monotonic()
                for frame in splitter.feed(chunk):
                    self._handle_event(frame, wire_format)
                await asyncio.sleep(0)  # a busy stream would never let other tasks run

    def _handle_event(self, frame: bytes, wire_format: Format) -> None:
        try:
            event = wire_format.event(frame)
        except Undecodable as error:
            self._known.skip("event", error)
            return
        match event.type:
            case "ADDED" | "MODIFIED":
                self._advance(self._known.upsert(event.object, wire_format).resource_version)
            case "DELETED":
                identity = self._known.identity(event.object, wire_format)
                self._known.remove(identity.uid)
                self._advance(identity.resource_version)
            case "BOOKMARK":
                self._handle_bookmark(self._known.identity(event.object, wire_format).resource_version)
            case "ERROR":
                raise WatchError(read_status(event.object, decode_body=wire_format.status))
            case other:
                self._known.skip("type", Undecodable(f"an event of unknown type {other[:50]!r}"))

    def _advance(self, version: str) -> None:
        self._version = version or self._version
        self.stats.events += 1

    def _handle_bookmark(self, version: str) -> None:
        if version.isdecimal() and self._version.isdecimal() and int(version) < int(self._version):
            # The cluster was restored from a backup: our versions belong to a history that no longer exists.
            raise WatchError(Status(message="resourceVersion went backwards", reason="Expired", code=_GONE))
        self._advance(version)

    def _record(self, error: Exception) -> None:
        self.stats.last_error = f"{type(error).__name__}: {error}"
        logger.info("%s: watch interrupted: %s", self.resource.plural, self.stats.last_error)

    @property
    def _url(self) -> str:
        return self.access.server + self.resource.path(self.scope.namespace)


async def _check_response(response: aiohttp.ClientResponse) -> Format:
    """The format of the response. Raises WatchError for an error response."""
    wire_format = _PROTOBUF if response.content_type == PROTOBUF else _JSON
    if response.status != _OK:
        seconds = response.headers.get("Retry-After", "")
        status = read_status(await response.read(), response.status, wire_format.status)
        raise WatchError(status, float(seconds) if seconds.isdigit() else 0.0)
    return wire_format
