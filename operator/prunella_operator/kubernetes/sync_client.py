"""Kubernetes through the official client, as raw objects, with our errors: for activities and commands.

Raw because typed models of long lists cost hundreds of megabytes; explicit content types because a patch of the
wrong kind merges what it should replace.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
from prunella_operator.kubernetes.async_client import decoded, to_error
from prunella_operator.kubernetes.decoding import Page, WireStruct
from prunella_operator.kubernetes.paths import FIELD_MANAGER, plain
from prunella_operator.kubernetes.startup_denials import FORBIDDEN, READY, DenialFilter
from prunella_operator.observability import metrics, tracing
from prunella_workflows.model.errors import Unavailable
from prunella_workflows.model.redaction import redact

_LIMIT = 500  # objects in a page
_ERROR = 400
_ANY = "application/json, */*"
_METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
_OURS = {"fieldManager": FIELD_MANAGER}


class SyncClient:
    """A synchronous, thread-safe client for activities and commands. Every call has a time-out (seconds).

    `connections` is how many are kept for the next calls: as many as there are threads, else each call beyond them
    begins with a handshake.
    """

    def __init__(self, access: Access, timeout: float = 10.0, connections: int = 10) -> None:
        self._access = access
        self._client = ApiClient(_configuration(access, connections))
        self._timeout = timeout
        self._refusals = DenialFilter()

    @classmethod
    def connect(cls, settings: Settings) -> Self:
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

    def close(self) -> None:
        """Close the connections."""
        self._client.rest_client.pool_manager.clear()

    def call(self, method: str, path: str, body: object = None, content_type: str = JSON, **query: str) -> Object:
        """Any request, for what the methods below do not cover."""
        return _object(self._request(_Call(method, path, query, body, content_type)))

    def date(self) -> datetime:
        """The API server's clock, by the Date header of an answer."""
        return parsedate_to_datetime(self._send(_Call("GET", "/version", {})).headers["Date"])

    def get(self, path: str, **params: str) -> Object:
        """One object. Raises NotFound, Forbidden, Unavailable."""
        return _object(self._request(_Call("GET", path, params)))

    def list(self, path: str, **params: str) -> Iterator[Object]:
        """All objects of a collection; no more than a page of them is held."""
        return (_object(bytes(item)) for item in self._items(path, params, _ANY))

    def metadata(self, path: str, **params: str) -> Iterator[Object]:
        """Of all objects of a collection the part of their metadata that is in `_Metadata`."""
        for item in self._items(path, params, _METADATA):
            yield to_builtins(decoded(item, _BARE))

    def _items(self, path: str, params: Mapping[str, str], accept: str) -> Iterator[Raw]:
        query = {**params, "limit": str(_LIMIT)}
        while True:
            page = decoded(self._request(_Call("GET", path, query, accept=accept)), _PAGE)
            yield from page.items or ()
            if not page.metadata.continue_:
                return
            query["continue"] = page.metadata.continue_

    def text(self, path: str, **params: str) -> str:
        """A plain text answer, such as a log."""
        return self._request(_Call("GET", path, params)).decode("utf-8", "replace")

    def create(self, path: str, body: Object) -> Object:
        """Create an object. Raises AlreadyExists when the name is taken."""
        return _object(self._request(_Call("POST", path, _OURS, body, JSON)))

    def json_patch(self, path: str, operations: Sequence[Object]) -> Object:
        """Apply a JSON patch. Raises Refused when a test fails or the result is invalid: read again to tell which."""
        return _object(self._request(_Call("PATCH", path, _OURS, list(operations), JSON_PATCH)))

    def merge_patch(self, path: str, body: Object) -> Object:
        """Apply a merge patch."""
        return _object(self._request(_Call("PATCH", path, _OURS, body, MERGE_PATCH)))

    def apply(self, path: str, body: Object) -> Object:
        """Server-side apply of fields that are ours alone (forced)."""
        return _object(self._request(_Call("PATCH", path, {**_OURS, "force": "true"}, body, APPLY_PATCH)))

    def delete(self, path: str, uid: str) -> None:
        """Delete exactly this object. Raises Conflict when another one bears its name, NotFound when it is gone."""
        self._request(_Call("DELETE", path, {}, {"preconditions": {"uid": uid}}))

    def _request(self, call: "_Call") -> bytes:
        data: bytes = self._send(call).read()
        return data

    def _send(self, call: "_Call") -> Any:
        """The answer, which is no error. A refusal is asked for twice, see `DenialFilter`."""
        answer = self._answer(call)
        if answer.status == FORBIDDEN:
            self._refusals.check(self._answer(_Call("GET", READY, {})).status)
            answer = self._answer(call)
        if answer.status >= _ERROR:
            raise to_error(answer.status, answer.read())
        return answer

    def _answer(self, call: "_Call") -> Any:
        """The official client's answer, read to its end; it carries no types."""
        timeout, url = (self._timeout, self._timeout), self.server + call.address
        with tracing.request("kubernetes", call.method, call.path) as traced:
            headers = {"Accept": call.accept, "Content-Type": call.content_type, **traced.headers}
            headers |= self._access.headers()
            try:
                answer: Any = self._client.call_api(call.method, url, headers, body=call.body, _request_timeout=timeout)
                answer.read()
            except (urllib3.exceptions.HTTPError, ApiException, OSError) as error:
                self._refusals.away()
                metrics.API_REQUESTS.labels(call.method, "none").inc()
                cause = getattr(error, "reason", None) or error
                raise Unavailable(f"the API server {self.server} does not answer: {redact(str(cause))}") from None
            traced.answered(answer.status)
        metrics.API_REQUESTS.labels(call.method, str(answer.status)).inc()
        return answer


class _Metadata(WireStruct, frozen=True, omit_defaults=True):
    """What is read of an object's metadata. Two thirds of it say who manages which field: nothing is built of these."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    finalizers: tuple[str, ...] = ()


class _Bare(WireStruct, frozen=True):
    """An object without its content."""

    metadata: _Metadata


_BARE, _PAGE = Decoder(_Bare), Decoder(Page)


@dataclass(frozen=True)
class _Call:
    """One request."""

    method: str
    path: str
    params: Mapping[str, str]
    body: object = None
    content_type: str = JSON
    accept: str = _ANY

    @property
    def address(self) -> str:
        """Path and query. Raises NotFound for what can be no path of an object."""
        return plain(self.path) + (f"?{urlencode(self.params)}" if self.params else "")


def _configuration(access: Access, connections: int) -> Configuration:
    configuration = Configuration(host=access.server)
    configuration.connection_pool_maxsize = connections
    configuration.ssl_ca_cert = access.ca_path
    configuration.cert_file = access.cert_path
    configuration.key_file = access.key_path
    configuration.verify_ssl = not access.insecure
    configuration.tls_server_name = access.tls_server_name
    configuration.proxy = access.proxy
    configuration.retries = urllib3.Retry(total=0)  # retries are Temporal's business, and it counts them
    return configuration


def _object(data: bytes) -> Object:
    value: Object = json.loads(data)
    return value
