"""What everyone may know of the API server: raw objects, content types, and the port that commands call.

Light on purpose: the command line imports it, and the operator must not pay for the official client.
"""

from datetime import datetime
from typing import Any, Protocol

Object = dict[str, Any]

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class Api(Protocol):
    """The API server, as the commands of a person at a terminal need it."""

    @property
    def server(self) -> str:
        """Its address."""

    @property
    def namespace(self) -> str:
        """The namespace that holds when a command names none, as for kubectl."""

    def call(self, method: str, path: str, body: object = None, content_type: str = JSON, **query: str) -> Object:
        """The answer to one request.

        Raises:
            PrunellaError: it was refused, or nobody answered.
        """

    def date(self) -> datetime:
        """The API server's clock, to the second."""
