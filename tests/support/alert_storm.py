"""A storm of alerts against a real webhook and a real Temporal: the alerts sent, their time, and those kept."""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
from support.notifications import an_alert, body
from temporalio.client import Client
from temporalio.service import RPCError

from prunella_operator.activities.alerts.distribution import Distribution
from prunella_operator.alerts.dispatcher import AlertDispatcher
from prunella_operator.alerts.webhook import PATH
from prunella_workflows.alerts.workflow import AlertHandling
from prunella_workflows.contracts.alerts import AlertBatch, alert_workflow_id

T = TypeVar("T")
HEADERS = {"Content-Type": "application/json"}


def fingerprint(number: int) -> str:
    return f"{number:016x}"


def fingerprints(distinct: int, first: int = 0) -> set[str]:
    return {fingerprint(first + number) for number in range(distinct)}


def notifications(alerts: int, distinct: int, group: int, first: int = 0) -> list[bytes]:
    """The given number of alerts with `distinct` label sets, in notifications of one group each; repeats come last."""
    found = [
        an_alert(
            fingerprint=fingerprint(first + number % distinct),
            labels={
                "alertname": "Storm",
                "namespace": "shop",
                "severity": "warning",
                "pod": f"web-{number % distinct}",
            },
        )
        for number in range(alerts)
    ]
    return [body(*found[start : start + group]) for start in range(0, alerts, group)]


@dataclass
class Sent:
    """Seconds and codes of all requests."""

    seconds: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def send(url: str, bodies: list[bytes], within: float) -> Sent:
    """Send notifications evenly spread over so many seconds, as Alertmanager does: again when the answer is 5xx."""
    sent, began = Sent(), time.monotonic()
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:

        async def post(number: int, data: bytes) -> None:
            await asyncio.sleep(max(0.0, began + within * number / len(bodies) - time.monotonic()))
            for attempt in range(60):
                start = time.monotonic()
                async with session.post(url + PATH, data=data, headers=HEADERS) as answer:
                    await answer.read()
                sent.seconds.append(time.monotonic() - start)
                sent.codes[answer.status] += 1
                if answer.status < 500:
                    return
                await asyncio.sleep(min(0.2 * 2**attempt, 2.0))

        await asyncio.gather(*(post(number, data) for number, data in enumerate(bodies)))
    return sent


async def kept(client: Client, distinct: int, first: int = 0, within: float = 60.0) -> Counter[str]:
    """Wait until each fingerprint has reached its workflow, and return how often it did."""
    end, names = time.monotonic() + within, sorted(fingerprints(distinct, first))
    while True:
        found = Counter(dict(zip(names, await each(names, lambda name: _heard(client, name)), strict=True)))
        if min(found.values()) or time.monotonic() > end:
            return found
        await asyncio.sleep(0.5)


async def each(names: list[str], do: Callable[[str], Awaitable[T]]) -> list[T]:
    """Do something for each of them, a few at a time."""
    slots = asyncio.Semaphore(10)

    async def limited(name: str) -> T:
        async with slots:
            return await do(name)

    return await asyncio.gather(*map(limited, names))


async def _heard(client: Client, text: str) -> int:
    handle = client.get_workflow_handle_for(AlertHandling.run, alert_workflow_id(text))
    try:
        state = await handle.query(AlertHandling.get_state)
    except RPCError:  # it was not handed on yet
        return 0
    return (state.book.firing is not None) + state.book.repeats


def distributing(client: Client, queue: str) -> Callable[[AlertBatch], Awaitable[None]]:
    """The real distribution of a batch of alerts, for a worker whose other activities are scripted."""
    return Distribution(AlertDispatcher(client, queue)).distribute
