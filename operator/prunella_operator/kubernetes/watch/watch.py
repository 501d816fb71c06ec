"""`Watch`: list and watch one resource for ever, so that its handler misses nothing and nothing it reads can stop it.

Pages are decoded one object at a time and dropped, and the ledger keeps only what tells, after a gap, what vanished
and what changed. It must never hold objects, never exit on an error, never spin, and never block the event loop.
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
from prunella_operator.kubernetes.watch.formats import ACCEPT, PROTOBUF, Format, Json, Listing
from prunella_operator.kubernetes.watch.known_objects import KnownObjects
from prunella_operator.kubernetes.watch.protobuf import Protobuf
from prunella_operator.kubernetes.watch.resource import Handler, Resource, Scope, T, WatchStats, WatchTimings
from prunella_workflows.model.errors import PrunellaError

logger = logging.getLogger(__name__)

_OK, _GONE = 200, 410
# Identity, because inflating a long list costs us more than the network saves inside a cluster.
_HEADERS = {"Accept": ACCEPT, "Accept-Encoding": "identity"}
_JSON, _PROTOBUF = Json(), Protobuf()


class Refusal(Exception):
    """The API server refused, over HTTP or by an ERROR event. Never leaves this module."""

    def __init__(self, status: Status, retry_after: float = 0.0) -> None:
        super().__init__(f"{status.code} {status.reason}: {status.message}")
        self.expired = status.code == _GONE or status.reason in {"Expired", "Gone"}
        told = status.details.retry_after_seconds if status.details else None
        self.retry_after = retry_after or float(told or 0)


@dataclass(slots=True)
class Watch(Generic[T]):
    """List and watch of one resource. `run` ends only by cancellation."""

    access: Access
    resource: Resource[T]
    handler: Handler[T]
    scope: Scope = field(default_factory=Scope)
    pace: WatchTimings = field(default_factory=WatchTimings)
    stats: WatchStats = field(default_factory=WatchStats)
    _ledger: KnownObjects[T] = field(init=False)
    _version: str = field(init=False, default="")  # where to resume; empty: list first

    def __post_init__(self) -> None:
        self._ledger = KnownObjects(self.resource, self.handler, self.stats)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        failures = 0
        while True:
            began, events = clock.monotonic(), self.stats.events
            wait = await self._once()
            lived = clock.monotonic() - began >= self.pace.steady
            failures = 0 if lived or self.stats.events > events else failures + 1
            await asyncio.sleep(max(wait, self.pace.pause(failures)))
            self.stats.reconnects += 1

    async def _once(self) -> float:
        """One connection until it ends for whatever reason; answers how long the API server asked us to wait."""
        try:
            await self._connect()
        except Refusal as refusal:
            self._note(refusal)
            if refusal.expired:
                self._version = ""
            return min(refusal.retry_after, self.pace.obedience)
        except (aiohttp.ClientError, TimeoutError, OSError, Undecodable, PrunellaError) as error:
            self._note(error)
        return 0.0

    async def _connect(self) -> None:
        # Everything is read again for every connection, so that rotated tokens and certificates are picked up.
        # In a thread: these are files, or even a command that a kubeconfig names.
        options = await asyncio.to_thread(self.access.options)
        options["headers"].update(_HEADERS)
        async with aiohttp.ClientSession() as session:
            if not self._version:
                await self._list(session, options)
            await self._follow(session, options)

    async def _list(self, session: aiohttp.ClientSession, options: RequestOptions) -> None:
        present: set[str] = set()
        async with aclosing(self._pages(session, options)) as pages:
            async for page, written in pages:
                await self._take(page.objects, written, present)
        if not page.metadata.resource_version:
            raise Undecodable("a list without resourceVersion")
        self._ledger.only(present)
        self._version = page.metadata.resource_version
        self.stats.relists += self.stats.synced
        self.stats.synced = True

    async def _pages(
        self, session: aiohttp.ClientSession, options: RequestOptions
    ) -> AsyncGenerator[tuple[Listing, Format]]:
        """The list. The next page is asked for while one is handled: the API server needs as long for it as we do."""
        coming = asyncio.create_task(self._page(session, options, ""))
        try:
            more = True
            while more:
                page, written = await coming
                if more := bool(page.metadata.continue_):
                    coming = asyncio.create_task(self._page(session, options, page.metadata.continue_))
                yield page, written
        finally:
            coming.cancel()

    async def _page(
        self, session: aiohttp.ClientSession, options: RequestOptions, token: str
    ) -> tuple[Listing, Format]:
        params = {**self.scope.params, "limit": str(self.pace.page), **({"continue": token} if token else {})}
        timeout = aiohttp.ClientTimeout(total=self.pace.answer)
        async with session.get(self._url, params=params, timeout=timeout, **options) as answer:
            written = await _accept(answer)
            return written.page(await answer.read()), written

    async def _take(self, objects: Iterable[Raw], written: Format, present: set[str]) -> None:
        for number, raw in enumerate(objects, 1):
            present.add(self._ledger.present(raw, written).uid)
            if not number % self.pace.slice:
                await asyncio.sleep(0)
        self.stats.last_activity = clock.monotonic()

    async def _follow(self, session: aiohttp.ClientSession, options: RequestOptions) -> None:
        params = {
            **self.scope.params,
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": str(int(self.pace.jitter(*self.pace.lifetime))),
        }
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.pace.answer, sock_read=self.pace.silence)
        async with session.get(self._url, params=params, timeout=timeout, **options) as answer:
            written = await _accept(answer)
            parts = written.parts()
            async for chunk in answer.content.iter_any():
                self.stats.last_activity = clock.monotonic()
                for part in parts.feed(chunk):
                    self._change(part, written)
                await asyncio.sleep(0)  # a busy stream never waits by itself

    def _change(self, part: bytes, written: Format) -> None:
        try:
            change = written.change(part)
        except Undecodable as error:
            self._ledger.skip("change", error)
            return
        match change.type:
            case "ADDED" | "MODIFIED":
                self._advance(self._ledger.present(change.object, written).resource_version)
            case "DELETED":
                identity = self._ledger.identity(change.object, written)
                self._ledger.absent(identity.uid)
                self._advance(identity.resource_version)
            case "BOOKMARK":
                self._bookmark(self._ledger.identity(change.object, written).resource_version)
            case "ERROR":
                raise Refusal(read_status(change.object, read=written.status))
            case other:
                self._ledger.skip("type", Undecodable(f"a change of unknown type {other[:50]!r}"))

    def _advance(self, version: str) -> None:
        self._version = version or self._version
        self.stats.events += 1

    def _bookmark(self, version: str) -> None:
        if version.isdecimal() and self._version.isdecimal() and int(version) < int(self._version):
            # The cluster was restored from a backup: what we know lies in a future that will not come.
            raise Refusal(Status(message="the history of the cluster went back", reason="Expired", code=_GONE))
        self._advance(version)

    def _note(self, error: Exception) -> None:
        self.stats.last_error = f"{type(error).__name__}: {error}"
        logger.info("%s: watch interrupted: %s", self.resource.plural, self.stats.last_error)

    @property
    def _url(self) -> str:
        return self.access.server + self.resource.path(self.scope.namespace)


async def _accept(answer: aiohttp.ClientResponse) -> Format:
    """The format of the answer. Raises Refusal where it is one."""
    written = _PROTOBUF if answer.content_type == PROTOBUF else _JSON
    if answer.status != _OK:
        told = answer.headers.get("Retry-After", "")
        status = read_status(await answer.read(), answer.status, written.status)
        raise Refusal(status, float(told) if told.isdigit() else 0.0)
    return written
