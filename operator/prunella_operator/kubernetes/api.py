"""Raw objects, content types, and the port to the API server that commands use, without the heavy official client."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

Object = dict[str, Any]

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

_PAGE_SIZE = "200"  # objects, of 6 KB and more each


class Api(Protocol):
    """The API server, as commands need it."""

    @property
    def server(self) -> str:
        """The address of the API server."""

    @property
    def namespace(self) -> str:
        """The default namespace of commands, as for kubectl."""

    def call(self, method: str, path: str, body: object = None, content_type: str = JSON, **query: str) -> Object:
        """Send one request. Raises PrunellaError when it is refused, or the API server does not answer."""

    def date(self) -> datetime:
        """The API server's clock, to the second."""


def list_items(api: Api, path: str, **query: str) -> Iterator[Object]:
    """Iterate over the objects of a collection, read in pages; no more than one page of them is held."""
    query, more = {"limit": _PAGE_SIZE, **query}, True
    while more:
        page = api.call("GET", path, **query)
        yield from page["items"]
        query["continue"] = (page.get("metadata") or {}).get("continue", "")
        more = bool(query["continue"])
