"""A watch in JSON for `aiops.py`: Prunella's own reads protobuf, and of a pod only the fields that Prunella needs."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn

import aiohttp

from prunella_operator.kubernetes.access import Access

_LIFETIME_SECONDS = 600
_LONGEST_LINE = 1 << 24
_RETRY_SECONDS = 1.0

Object = dict[str, Any]


@dataclass
class JsonWatch:
    """List and watch a collection. After a gap it lists again, so that no change and no deletion is missed."""

    access: Access
    path: str
    on_upsert: Callable[[Object], None]
    on_delete: Callable[[str], None]
    _known: set[str] = field(default_factory=set)

    async def run(self) -> NoReturn:
        """Watch until cancelled."""
        async with aiohttp.ClientSession(read_bufsize=_LONGEST_LINE) as session:
            while True:
                try:
                    await self._stream(session, await self._list(session))
                except (aiohttp.ClientError, TimeoutError):
                    await asyncio.sleep(_RETRY_SECONDS)

    async def _list(self, session: aiohttp.ClientSession) -> str:
        """Pass on what there is and what is gone; return the version of the list."""
        options = self.access.options()
        async with session.get(f"{self.access.server}{self.path}", raise_for_status=True, **options) as answer:
            page = await answer.json()
        for obj in page["items"]:
            self._upsert(obj)
        for uid in self._known - {obj["metadata"]["uid"] for obj in page["items"]}:
            self._delete(uid)
        return str(page["metadata"]["resourceVersion"])

    async def _stream(self, session: aiohttp.ClientSession, version: str) -> None:
        """Pass on changes from this version on, until the connection ends or the API server reports an error."""
        params = {"watch": "1", "resourceVersion": version, "timeoutSeconds": str(_LIFETIME_SECONDS)}
        options = {**self.access.options(), "timeout": aiohttp.ClientTimeout(total=_LIFETIME_SECONDS + 30)}
        url = f"{self.access.server}{self.path}"
        async with session.get(url, params=params, raise_for_status=True, **options) as answer:
            async for line in answer.content:
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                self._pass_on(event["type"], event["object"])

    def _pass_on(self, kind: str, obj: Object) -> None:
        if kind == "DELETED":
            self._delete(obj["metadata"]["uid"])
        else:
            self._upsert(obj)

    def _upsert(self, obj: Object) -> None:
        self._known.add(obj["metadata"]["uid"])
        self.on_upsert(obj)

    def _delete(self, uid: str) -> None:
        self._known.discard(uid)
        self.on_delete(uid)
