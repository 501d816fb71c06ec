"""An HTTP service as its caller sees it: calls are traced, named by a key, and their failures are typed."""

from typing import Any

import aiohttp

from prunella_operator.observability import tracing
from prunella_orders.errors import ServiceRefused
from prunella_workflows.model.errors import Unavailable

_TIMEOUT = aiohttp.ClientTimeout(total=5.0)
_BUSY, _CLIENT_ERROR, _SERVER_ERROR = 429, 400, 500


class ServiceClient:
    """A service at an address. Each call may be repeated, because the service acts once for a key."""

    def __init__(self, name: str, url: str, session: aiohttp.ClientSession) -> None:
        self._name, self._url, self._session = name, url.rstrip("/"), session

    async def post(self, path: str, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a request; return the JSON object of the answer.

        Raises:
            Unavailable: the service is down, too slow, or asks to wait; the outcome may be unknown.
            ServiceRefused: it refuses the request.
        """
        with tracing.request(self._name, "POST", path) as call:
            try:
                async with self._session.post(
                    self._url + path, json=body, headers={**call.headers, "Idempotency-Key": key}, timeout=_TIMEOUT
                ) as response:
                    call.answered(response.status)
                    await self._check(response)
                    answer: dict[str, Any] = await response.json()
                    return answer
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Unavailable(f"{self._name}: {type(error).__name__}: {error}") from error

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status >= _SERVER_ERROR or response.status == _BUSY:
            raise Unavailable(f"{self._name} answered {response.status}")
        if response.status >= _CLIENT_ERROR:
            raise ServiceRefused(f"{self._name} answered {response.status}: {await response.text()}")
