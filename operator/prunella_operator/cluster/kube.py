"""Kubernetes through the official client, as raw objects: the one edge where its errors become ours.

Raw because typed models of long lists cost hundreds of megabytes; explicit content types because a patch of the
wrong kind merges what it should replace. Messages are redacted: API errors can echo values of a pod spec.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration

from prunella_operator.cluster.access import Access
from prunella_operator.cluster.paths import FIELD_MANAGER
from prunella_operator.cluster.rest import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, to_error
from prunella_workflows.errors import Unavailable

Object = dict[str, Any]

_JSON = "application/json"
_PAGE = 500
_ERROR = 400
_OURS = {"fieldManager": FIELD_MANAGER}


class Kube:
    """A synchronous, thread-safe client for activities. Every call has a time-out (seconds)."""

    def __init__(self, access: Access, timeout: float = 10.0) -> None:
        self._access = access
        self._client = ApiClient(_configuration(access))
        self._timeout = timeout

    def get(self, path: str, **params: str) -> Object:
        """One object. Raises NotFound, Forbidden, Unavailable."""
        return _object(self._request("GET", path, params))

    def list(self, path: str, **params: str) -> Iterator[Object]:
        """All objects of a collection, page by page."""
        token = ""
        while True:
            page = {**params, "limit": str(_PAGE)} | ({"continue": token} if token else {})
            answer = _object(self._request("GET", path, page))
            yield from answer.get("items") or ()
            token = answer.get("metadata", {}).get("continue", "")
            if not token:
                return

    def text(self, path: str, **params: str) -> str:
        """A plain text answer, such as a log."""
        return self._request("GET", path, params).decode("utf-8", "replace")

    def create(self, path: str, body: Object) -> Object:
        """Create an object. Raises AlreadyExists when the name is taken."""
        return _object(self._request("POST", path, _OURS, body, _JSON))

    def json_patch(self, path: str, operations: Sequence[Object]) -> Object:
        """Apply a JSON patch. Raises Refused when a test fails or the result is invalid: read again to tell which."""
        return _object(self._request("PATCH", path, _OURS, list(operations), JSON_PATCH))

    def merge_patch(self, path: str, body: Object) -> Object:
        """Apply a merge patch."""
        return _object(self._request("PATCH", path, _OURS, body, MERGE_PATCH))

    def apply(self, path: str, body: Object) -> Object:
        """Server-side apply of fields that are ours alone (forced)."""
        return _object(self._request("PATCH", path, {**_OURS, "force": "true"}, body, APPLY_PATCH))

    def _request(
        self, method: str, path: str, params: Mapping[str, str], body: object = None, content_type: str = _JSON
    ) -> bytes:
        headers = {"Accept": "application/json, */*", "Content-Type": content_type, **self._access.headers()}
        url = self._access.server + path + (f"?{urlencode(params)}" if params else "")
        try:
            answer = self._client.call_api(
                method, url, headers, body=body, _request_timeout=(self._timeout, self._timeout)
            )
            data: bytes = answer.read()  # type: ignore[no-untyped-call]  # the official client's answer has no types
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Unavailable(f"{method} {path}: the API server did not answer ({type(error).__name__})") from None
        if answer.status >= _ERROR:
            raise to_error(answer.status, data)
        return data


def _configuration(access: Access) -> Configuration:
    configuration = Configuration(host=access.server)
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
