"""The command line's way to the API server: one blocking call at a time, JSON in and out, with our errors.

The operator itself uses the asynchronous `cluster/`; a person at a terminal needs neither its speed nor its caches.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlencode

from kubernetes.client import Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTClientObject
from urllib3.exceptions import HTTPError

from prunella_operator.cluster.access import Access, load_access
from prunella_operator.settings import Settings
from prunella_workflows.errors import Conflict, Forbidden, NotFound, PrunellaError, Refused, Unavailable

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
_ERRORS: dict[int, type[PrunellaError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Conflict}
_FIRST_ERROR, _SERVER_ERROR, _TOO_MANY = 400, 500, 429


class Api(Protocol):
    """The API server, as the commands need it."""

    @property
    def server(self) -> str:
        """Its address."""

    @property
    def namespace(self) -> str:
        """The namespace that holds when a command names none, as for kubectl."""

    def call(
        self, method: str, path: str, body: object = None, content_type: str = JSON, **query: str
    ) -> dict[str, Any]:
        """The answer to one request.

        Raises:
            PrunellaError: it was refused, or nobody answered.
        """

    def date(self) -> datetime:
        """The API server's clock, to the second."""


class Kube:
    """The API server that a kubeconfig, or our own pod, names."""

    def __init__(self, access: Access, timeout: float) -> None:
        self._access = access
        self._timeout = timeout
        self._rest: Any = RESTClientObject(_configuration(access))

    @classmethod
    def connect(cls, settings: Settings) -> "Kube":
        """The server of these settings; nothing is sent yet."""
        return cls(load_access(settings.kubeconfig, settings.context), settings.api_timeout)

    @property
    def server(self) -> str:
        """Its address."""
        return self._access.server

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, or of our pod."""
        return self._access.namespace

    def call(
        self, method: str, path: str, body: object = None, content_type: str = JSON, **query: str
    ) -> dict[str, Any]:
        """The answer to one request, decoded."""
        answer = self._send(method, f"{path}?{urlencode(query)}" if query else path, body, content_type)
        decoded: dict[str, Any] = json.loads(answer.read())
        return decoded

    def date(self) -> datetime:
        """The API server's clock, by the Date header of an answer."""
        return parsedate_to_datetime(self._send("GET", "/version", None, JSON).headers["Date"])

    def _send(self, method: str, path: str, body: object, content_type: str) -> Any:
        headers = {"Accept": JSON, "Content-Type": content_type, **self._access.headers()}
        try:
            answer = self._rest.request(method, self.server + path, headers, body, _request_timeout=self._timeout)
            answer.read()
        except (HTTPError, ApiException) as error:
            raise Unavailable(f"the API server {self.server} does not answer: {_cause(error)}") from error
        if answer.status >= _FIRST_ERROR:
            raise _error(answer.status, answer.read())
        return answer


def _configuration(access: Access) -> Configuration:
    configuration = Configuration()
    configuration.host = access.server
    configuration.ssl_ca_cert = access.ca_path
    configuration.cert_file = access.cert_path
    configuration.key_file = access.key_path
    configuration.verify_ssl = not access.insecure
    configuration.tls_server_name = access.tls_server_name
    configuration.proxy = access.proxy
    configuration.retries = False  # a person is waiting; he can repeat it himself
    return configuration


def _cause(error: Exception) -> str:
    return str(getattr(error, "reason", None) or error)


def _error(status: int, body: bytes) -> PrunellaError:
    try:
        decoded: Mapping[str, Any] | object = json.loads(body)
    except ValueError:
        decoded = {}
    message = str(decoded["message"]) if isinstance(decoded, Mapping) and "message" in decoded else ""
    unavailable = status >= _SERVER_ERROR or status == _TOO_MANY
    kind = Unavailable if unavailable else _ERRORS.get(status, Refused)
    return kind(message or f"the API server answered {status}")
