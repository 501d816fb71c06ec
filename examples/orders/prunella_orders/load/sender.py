"""Customers that send orders at a rate, and repeat a request until it is answered."""

import asyncio
from dataclasses import dataclass, field

import aiohttp
import structlog

from prunella_operator import clock
from prunella_orders.load.orders import is_cancelled, request

_log = structlog.get_logger("orders.load")
_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5.0, sock_read=20.0)
_MOST_CONNECTIONS = 100
"""More requests than these wait here, so that a system that is overloaded is not flooded with repetitions."""

_RETRY_SECONDS = 1.0
_ACCEPTED, _AWAY = 202, 500


@dataclass
class Sent:
    """The orders of a run by their ids, the requests that got no answer in time, and the repeated attempts."""

    accepted: set[str] = field(default_factory=set)
    unanswered: int = 0
    repeated: int = 0


class Sender:
    """Sends the orders of one run. A request is repeated for `patience` seconds."""

    def __init__(self, url: str, run: str, patience: float) -> None:
        self._url, self._run, self._patience = url, run, patience
        self.sent = Sent()
        self._stopped = False

    def stop(self) -> None:
        """Send no new order, from any thread; answers to those that were sent are waited for."""
        self._stopped = True

    async def send(self, rate: float, seconds: float) -> Sent:
        """Send orders at a rate, however slow the answers are, and wait for all answers."""
        connector = aiohttp.TCPConnector(limit=_MOST_CONNECTIONS)
        began, count = clock.monotonic(), round(rate * seconds)
        async with aiohttp.ClientSession(timeout=_TIMEOUT, connector=connector) as http, asyncio.TaskGroup() as group:
            for number in range(count):
                await asyncio.sleep(began + number / rate - clock.monotonic())
                if self._stopped:
                    break
                group.create_task(self._order(http, number))
        return self.sent

    async def _order(self, http: aiohttp.ClientSession, number: int) -> None:
        deadline = clock.monotonic() + self._patience
        while clock.monotonic() < deadline:
            if await self._is_answered(http, number):
                return
            self.sent.repeated += 1
            await asyncio.sleep(_RETRY_SECONDS)
        self.sent.unanswered += 1

    async def _is_answered(self, http: aiohttp.ClientSession, number: int) -> bool:
        headers = {"Idempotency-Key": f"{self._run}-{number}"}
        body = request(number).model_dump(mode="json")
        try:
            async with http.post(f"{self._url}/orders", json=body, headers=headers) as response:
                if response.status >= _AWAY:
                    return False
                answer = await response.json()
                if response.status != _ACCEPTED:
                    raise RuntimeError(f"order {number} was refused: {answer}")
                self.sent.accepted.add(answer["id"])
            if is_cancelled(number):  # once; the answer may be that it is too late
                await http.post(f"{self._url}/orders/{answer['id']}/cancel")
        except (aiohttp.ClientError, TimeoutError) as error:
            _log.warning("repeated", order=number, error=str(error) or type(error).__name__)
            return False
        return True
