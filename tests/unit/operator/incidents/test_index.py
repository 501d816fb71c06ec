"""The index of incidents, over an API server that lists in pages and sends changes."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from fakes.apiserver import FakeApi, added, deleted, eventually, modified
from fakes.incidents import incident
from msgspec.json import Decoder, encode

from prunella_operator.incidents.client import parse
from prunella_operator.incidents.index import IncidentIndex, watching
from prunella_operator.incidents.summary import IncidentSummary
from prunella_operator.kubernetes.decoding import decode
from prunella_operator.kubernetes.watch.resource import Scope, WatchTimings
from prunella_operator.tasks import end
from prunella_workflows.model.errors import Unavailable

TIMINGS = WatchTimings(page_size=2, min_backoff=0.01, max_backoff=0.04)


def versioned(number, **fields):
    made = incident(f"checkout-{number}", **fields)
    made["metadata"] |= {"resourceVersion": str(number), "managedFields": [{"manager": "prunella"}]}
    return made


@asynccontextmanager
async def running(api):
    index = IncidentIndex(api.access, timings=TIMINGS)
    task = asyncio.create_task(index.run())
    try:
        yield index
    finally:
        await end(task)


def names(index):
    return [found.name for found in index.all()]


async def test_it_lists_once_in_pages_and_then_only_hears_of_changes():
    async with FakeApi([versioned(number) for number in range(5)]) as api, running(api) as index:
        await eventually(lambda: index.synced)
        assert names(index) == [f"checkout-{number}" for number in range(5)]
        before = index.version
        await eventually(lambda: api.watching)
        healed = versioned(1, phase="Healed")
        healed["metadata"]["resourceVersion"] = "10"
        api.send(modified(healed), added(versioned(9)), deleted(versioned(2)))
        await eventually(lambda: index.version == before + 3)
        assert names(index) == [f"checkout-{number}" for number in (0, 1, 3, 4, 9)]
        assert index.all()[1].phase == "Healed"
        assert len(api.of("list")) == 3


async def test_restricted_to_namespaces_it_lists_no_others_and_waits_for_all_of_them():
    allowed = asyncio.Event()
    async with FakeApi([versioned(1)]) as api:

        async def late(request):
            await allowed.wait()
            return await api._list(request)

        index = IncidentIndex(api.access, (Scope("shop"), Scope("lab")), TIMINGS)
        api.lists.append(late)
        task = asyncio.create_task(index.run())
        await eventually(lambda: api.watching)
        assert index.problem().startswith("the first list was not read yet")
        allowed.set()
        await eventually(lambda: api.watching == 2)
        await end(task)
        assert {asked.path.split("/")[-2] for asked in api.requests} == {"shop", "lab"}
        assert (index.synced, index.problem()) == (True, "")


async def test_before_the_first_list_it_says_so():
    async with FakeApi() as api:
        with pytest.raises(Unavailable, match="not up to date"):
            IncidentIndex(api.access).all()


async def test_a_thread_keeps_it_for_those_who_do_not_run_a_loop():
    def count(access):
        with watching(access, Scope("shop", "team=x")) as index:
            return len(index.all())

    async with FakeApi([versioned(1)]) as api:
        assert await asyncio.to_thread(count, api.access) == 1
        assert api.of("list")[0].query["labelSelector"] == "team=x"
        assert api.of("list")[0].path.endswith("/namespaces/shop/incidents")


@pytest.mark.parametrize("spec", [{}, {"target": None, "podName": "checkout-x"}])
@pytest.mark.parametrize(
    "status", [{}, {"phase": "Healed", "reason": "ServedByExistingPods", "target": "Deployment/a"}]
)
def test_a_summary_has_the_words_of_the_whole(spec, status):
    raw = versioned(1, spec=spec, **status)
    short, whole = decode(Decoder(IncidentSummary), encode(raw)), parse(raw)
    for word in ("name", "namespace", "phase", "phase_label", "proven", "target"):
        assert getattr(short, word) == getattr(whole, word), word
