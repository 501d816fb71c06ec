"""The dashboard of the orders: a real Prometheus scrapes the running system, and every query has an answer."""

import asyncio
import json
import math
import time
from contextlib import suppress
from xml.etree import ElementTree as ET

import pytest
from boards.write import paths
from pictures import answers
from pictures.page import picture
from pictures.series import Window
from support import boards
from support.prometheus import RULES, prometheus_of

from prunella_operator import clock

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BOARD = json.loads(paths()["orders"].read_text())
FILLED = {"$__range": "1m", "$__rate_interval": "15s"}
WITHIN_SECONDS = 60


@pytest.fixture
def prometheus(stack, tmp_path):
    ports = [part.port for part in (stack.api, *stack.workers)]
    with prometheus_of(tmp_path, ports, RULES) as made:
        yield made


@pytest.fixture
async def traffic(shop):
    """Orders until the test ends: most are shipped, some are reversed at each step."""

    async def order():
        while True:
            for change in ({}, {"card": "declined"}, {"address": "nowhere"}):
                await shop.order(**change)
                await asyncio.sleep(0.3)

    task = asyncio.create_task(order())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def has_numbers(result):
    return any(not math.isnan(float(series["value"][1])) for series in result)


def unanswered(prometheus, query):
    for name, value in FILLED.items():
        query = query.replace(name, value)
    return not has_numbers(prometheus.query(query))


async def test_every_query_has_an_answer_and_all_is_drawn(prometheus, traffic):
    waiting, end = boards.series_wanted(BOARD), time.monotonic() + WITHIN_SECONDS
    while waiting and time.monotonic() < end:
        waiting = {one for one in waiting if await asyncio.to_thread(unanswered, prometheus, one)}
        await asyncio.sleep(1)
    assert waiting == set()
    now = int(clock.now().timestamp())
    text = await asyncio.to_thread(picture, BOARD, answers.Prometheus(prometheus.url), Window(now - 60, now), {})
    words = "".join(ET.fromstring(text).itertext())
    assert [panel["title"] for panel in BOARD["panels"] if panel["title"] not in words] == []
