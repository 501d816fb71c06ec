"""Raw objects, content types, and the port to the API server that commands use, without the heavy official client."""

from datetime import datetime
from typing import Any, Protocol

Object = dict[str, Any]

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


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
