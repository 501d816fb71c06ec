"""No connection outlives the session that opened it: over TLS, and when a request is cancelled at any moment."""

import asyncio
import gc
import warnings
from contextlib import closing, contextmanager

import pytest
from fakes.apiserver import FakeApi, eventually
from fakes.incidents import incident
from support.certificates import Authority

from prunella_operator.incidents.index import IncidentIndex, watching
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.watch.resource import Scope, WatchTimings
from prunella_operator.tasks import end

PAGES = WatchTimings(page_size=1, min_backoff=0.01)


@pytest.fixture
async def api(tmp_path):
    objects = [incident(f"web-{number}") for number in range(4)]
    for number, made in enumerate(objects):
        made["metadata"]["resourceVersion"] = str(number)
    async with FakeApi(objects, authority=Authority(tmp_path)) as server:
        yield server


@contextmanager
def nothing_is_left_open():
    """Fail for each object that is found unclosed when it is collected."""
    with warnings.catch_warnings(record=True) as unclosed:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [str(warning.message) for warning in unclosed] == []


async def in_a_thread(work):
    """Run it in an event loop of its own, which is closed at once: what is still open then is left open."""

    def run():
        with closing(asyncio.new_event_loop()) as loop:
            loop.run_until_complete(work())

    await asyncio.to_thread(run)


async def test_a_session_knows_the_connections_that_aiohttp_opens_for_it(api):
    """It overrides a private method of aiohttp: under another name this would not be called."""
    async with AsyncClient(api.access) as rest:
        await rest.get("/api/v1/namespaces/shop")
        (transport,) = rest._session.connector._transports.values()
        assert not transport.is_closing()
    assert transport.is_closing()


async def hold(_request):
    await asyncio.Event().wait()


async def test_a_watch_that_is_cancelled_leaves_nothing_open(api):
    async def watch():
        index = IncidentIndex(api.access, timings=PAGES)
        task = asyncio.create_task(index.run())
        await eventually(lambda: api.watching)
        await end(task)

    with nothing_is_left_open():
        for _ in range(5):
            await in_a_thread(watch)
            await eventually(lambda: not api.watching)


@pytest.mark.parametrize("pages", [0, 1, 2])
async def test_a_list_that_is_cancelled_leaves_nothing_open(api, pages):
    async def listing():
        index, asked = IncidentIndex(api.access, timings=PAGES), len(api.requests)
        task = asyncio.create_task(index.run())
        await eventually(lambda: len(api.requests) > asked + pages)
        await end(task)

    with nothing_is_left_open():
        for _ in range(5):
            api.lists.clear()
            api.lists += [*[api._list] * pages, hold]
            await in_a_thread(listing)


async def test_a_call_that_is_cancelled_leaves_nothing_open(api):
    async def call():
        async with AsyncClient(api.access) as rest:
            asked = len(api.requests)
            task = asyncio.create_task(rest.get("/api/v1/namespaces/shop"))
            await eventually(lambda: len(api.requests) > asked)
            await end(task)

    with nothing_is_left_open():
        for _ in range(5):
            api.lists.append(hold)
            await in_a_thread(call)


async def test_an_index_in_a_thread_leaves_nothing_open(api):
    def watch():
        for _ in range(5):
            with watching(api.access, Scope()) as index:
                index.all()

    with nothing_is_left_open():
        await asyncio.to_thread(watch)
