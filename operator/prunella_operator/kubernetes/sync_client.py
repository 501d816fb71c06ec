"""The Kubernetes client of activities and commands: synchronous, raw objects, the official client as transport.

Raw because typed models of long lists cost hundreds of megabytes; explicit content types because a patch of the wrong
kind merges what it should replace.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from msgspec import Raw, to_builtins
from msgspec.json import Decoder

from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.access import Access, load_access
from prunella_operator.kubernetes.api import APPLY_PATCH, JSON, JSON_PATCH, MERGE_PATCH, Object
from prunella_operator.kubernetes.decoding import WireStruct
from prunella_operator.kubernetes.paths import FIELD_MANAGER
from prunella_operator.kubernetes.request import READINESS, Request, RequestMonitor, Response, decode_response
from prunella_operator.kubernetes.startup_denials import DENIALS

_METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_WRITE_PARAMS = {"fieldManager": FIELD_MANAGER}


class SyncClient:
    """A synchronous, thread-safe client for activities and commands. Every call has a timeout, in seconds.

    `connections` is the number kept open: as many as there are threads, else each call beyond them begins with a TLS
    handshake. It never retries: retries are Temporal's job, and it counts them.
    """

    def __init__(self, access: Access, timeout: float = 10.0, connections: int = 10) -> None:
        self._access = access
        self._client = ApiClient(_configuration(access, connections))
        self._timeout = (timeout, timeout)
        self._monitor = RequestMonitor(access.server, urllib3.exceptions.HTTPError, ApiException, OSError)

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """The client of the configured server; nothing is sent yet."""
        return cls(load_access(settings.kubeconfig, settings.context), settings.api_timeout)

    @property
    def server(self) -> str:
        """The address of the API server."""
        return self._access.server

    @property
    def namespace(self) -> str:
        """The namespace of the kubeconfig's context, or of our pod."""
        return self._access.namespace

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.pool_manager.clear()

    def call(self, method: str, path: str, body: object = None, content_type: str = JSON, **query: str) -> Object:
        """Send any request, for what the methods below do not cover."""
        return _object(self._request(Request(method, path, query, body, content_type)).body)

    def date(self) -> datetime:
        """The API server's clock, by the Date header of a response."""
        return parsedate_to_datetime(self._request(Request("GET", "/version")).headers["Date"])

    def get(self, path: str, **params: str) -> Object:
        """Get one object. Raises NotFound, Forbidden, Unavailable."""
        return _object(self._request(Request("GET", path, params)).body)

    def list(self, path: str, **params: str) -> Iterator[Object]:
        """Iterate over all objects of a collection; no more than one page of them is held."""
        return (_object(bytes(item)) for item in self._items(Request.first_page(path, params)))

    def metadata(self, path: str, **params: str) -> Iterator[Object]:
        """Iterate over all objects of a collection, limited to the metadata in `_Metadata`."""
        for item in self._items(replace(Request.first_page(path, params), accept=_METADATA_LIST)):
            yield to_builtins(decode_response(item, _METADATA_ONLY))

    def _items(self, request: Request | None) -> Iterator[Raw]:
        while request is not None:
            page = self._request(request).page()
            yield from page.items or ()
            request = request.next_page(page)

    def text(self, path: str, **params: str) -> str:
        """Get plain text, such as a log."""
        return self._request(Request("GET", path, params)).body.decode("utf-8", "replace")

    def create(self, path: str, body: Object) -> Object:
        """Create an object. Raises AlreadyExists when the name is taken."""
        return self.call("POST", path, body, JSON, **_WRITE_PARAMS)

    def json_patch(self, path: str, operations: Sequence[Object]) -> Object:
        """Apply a JSON patch. Raises Refused when a test fails or the result is invalid: read again to tell which."""
        return self.call("PATCH", path, list(operations), JSON_PATCH, **_WRITE_PARAMS)

    def merge_patch(self, path: str, body: Object) -> Object:
        """Apply a merge patch."""
        return self.call("PATCH", path, body, MERGE_PATCH, **_WRITE_PARAMS)

    def apply(self, path: str, body: Object) -> Object:
        """Apply fields that only Prunella manages, server-side and forced."""
        return self.call("PATCH", path, body, APPLY_PATCH, force="true", **_WRITE_PARAMS)

    def delete(self, path: str, uid: str, **seen: str) -> None:
        """Delete exactly this object; with `resourceVersion` only as it was seen.

        Raises:
            Conflict: its name is another's now, or it has changed since.
            NotFound: it is gone.
        """
        self._request(Request("DELETE", path, body={"preconditions": {"uid": uid, **seen}}, content_type=JSON))

    def _request(self, request: Request) -> Response:
        """The successful response. A denied request is sent again once the server is ready, see `DenialFilter`."""
        response = self._send(request)
        if response.status in DENIALS:
            self._monitor.denials.check(self._send(READINESS).status)
            response = self._send(request)
        return response.check()

    def _send(self, request: Request) -> Response:
        url = self.server + request.path + (f"?{urlencode(request.params)}" if request.params else "")
        with self._monitor.attempt(request) as attempt:
            headers = attempt.headers | self._access.headers()
            call: Any = self._client.call_api  # carries no types
            response = call(request.method, url, headers, body=request.body, _request_timeout=self._timeout)
            return attempt.complete(response.status, response.read(), response.headers)


class _Metadata(WireStruct, frozen=True, omit_defaults=True):
    """The metadata that is decoded. Two thirds of the rest is managed fields, which are skipped without building."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: tuple[str, ...] = ()


class _MetadataOnly(WireStruct, frozen=True):
    """An object without its content."""

    metadata: _Metadata


_METADATA_ONLY = Decoder(_MetadataOnly)


def _configuration(access: Access, connections: int) -> Configuration:
    configuration = Configuration(host=access.server)
    configuration.connection_pool_maxsize = connections
    configuration.ssl_ca_cert = access.ca_path
    configuration.cert_file = access.cert_path
    configuration.key_file = access.key_path
    configuration.verify_ssl = not access.insecure
    configuration.tls_server_name = access.tls_server_name
    configuration.proxy = access.proxy
    configuration.retries = urllib3.Retry(total=0)
    return configuration


def _object(data: bytes) -> Object:
    value: Object = json.loads(data)
    return value
