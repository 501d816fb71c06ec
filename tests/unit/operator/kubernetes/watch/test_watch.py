"""The watch against an API server that behaves as real ones do on bad days. No waiting above 0.3 s each."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from fakes.apiserver import (
    FakeApi,
    added,
    bookmark,
    deleted,
    error,
    eventually,
    modified,
    page,
    raw,
    status,
    stream,
)
from fakes.pods import pod

from prunella_operator.detection.pod_status import Pod
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.watch.resource import Resource, Scope, WatchTimings
from prunella_operator.kubernetes.watch.watch import Watch
from prunella_operator.tasks import end

TIMINGS = WatchTimings(
    page_size=2, batch_size=1, idle_timeout=2.0, page_timeout=2.0, min_backoff=0.01, max_backoff=0.04
)
PODS = Resource("/api/v1", "pods", "Pod", Pod)


NEVER = "the thirtieth of February"  # a time that cannot be read, and with it the pod


class Recorder:
    """A handler that records its calls."""

    def __init__(self):
        self.heard = []

    def on_upsert(self, obj, at):
        self.heard.append(f"seen {obj.metadata.name} {obj.metadata.resource_version}")

    def on_delete(self, uid, at):
        self.heard.append(f"gone {uid}")


@asynccontextmanager
async def running(api, timings=TIMINGS, handler=None, **more):
    watch = Watch(more.pop("access", api.access), PODS, handler or Recorder(), timings=timings, **more)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        assert not task.done(), f"the watch ended: {task}"
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(params=[False, True], ids=["json", "protobuf"])
async def api(request):
    async with FakeApi(protobuf=request.param) as server:
        yield server


async def test_a_long_list_is_read_in_pages_and_then_watched_from_where_it_stood(api):
    api.objects = [pod(f"web-{n}", version=n) for n in range(5)]
    async with running(api) as watch:
        await eventually(lambda: api.watching)

        assert [f"seen web-{n} {n}" for n in range(5)] == watch.handler.heard
        assert [seen.query.get("continue", "") for seen in api.of("list")] == ["", "2", "4"]
        assert {"2"} == {seen.query["limit"] for seen in api.of("list")}
        query = api.of("watch")[0].query
        assert (query["resourceVersion"], query["allowWatchBookmarks"], query["watch"]) == ("100", "true", "1")
        assert 240 <= int(query["timeoutSeconds"]) <= 300
        assert (watch.stats.synced, watch.stats.objects, watch.stats.relists) == (True, 5, 0)


async def test_the_next_page_is_asked_for_while_one_is_handled(api):
    class Watchful(Recorder):
        def on_upsert(self, obj, at):
            self.heard.append(len(api.requests))

    api.objects = [pod(f"web-{n}", version=n) for n in range(6)]
    async with running(api, handler=Watchful()) as watch:
        await eventually(lambda: api.watching)

        assert watch.handler.heard[-1] == 3, "the last page was there before, and nothing is asked for after it"
        assert watch.handler.heard[0] <= 2, "no more than one page ahead"


async def test_changes_reach_the_handler_in_order(api):
    async with running(api) as watch:
        await eventually(lambda: api.watching)
        api.send(added(pod("a", version=101)), modified(pod("a", version=102)), deleted(pod("a", version=103)))
        await eventually(lambda: len(watch.handler.heard) == 3)

        assert watch.handler.heard == ["seen a 101", "seen a 102", "gone uid-a"]
        assert (watch.stats.events, watch.stats.objects) == (3, 0)


async def test_namespace_and_selectors_are_the_servers_business(api):
    scope = Scope("shop", labels="tier=web", fields="status.phase!=Succeeded")
    async with running(api, scope=scope):
        await eventually(lambda: api.watching)

        for seen in api.requests:
            assert seen.path == "/api/v1/namespaces/shop/pods"
            assert seen.query["labelSelector"] == "tier=web"
            assert seen.query["fieldSelector"] == "status.phase!=Succeeded"


async def test_an_expired_continue_token_starts_the_list_again_and_reports_nothing_twice(api):
    api.objects = [pod(f"web-{n}", version=n) for n in range(3)]
    api.lists += [page(api.objects[:2], 90, "old"), status(410, "Expired")]
    async with running(api) as watch:
        await eventually(lambda: api.watching)

        assert watch.handler.heard == ["seen web-0 0", "seen web-1 1", "seen web-2 2"]
        assert len(api.of("list")) == 4


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(status(410, "Expired"), id="HTTP 410 on the watch"),
        pytest.param(stream(error(410, "Expired"), then="hold"), id="an ERROR event with code 410"),
        pytest.param(stream(error(0, "Gone"), then="hold"), id="an ERROR event with reason Gone"),
    ],
)
async def test_what_happened_before_a_new_list_is_found_by_comparing(api, end):
    api.objects = [pod("stays"), pod("changes"), pod("vanishes")]
    api.watches.append(end)

    async def second_list(_request):
        api.objects = [pod("stays"), pod("changes", version=7), pod("appears", version=8)]
        return await api._list(_request)

    api.lists += [api._list, api._list, second_list]
    async with running(api) as watch:
        await eventually(lambda: api.watching)

        assert watch.handler.heard[3:] == ["seen changes 7", "seen appears 8", "gone uid-vanishes"]
        assert (watch.stats.relists, watch.stats.objects) == (1, 3)


async def test_a_cluster_restored_from_a_backup_is_listed_again(api):
    api.watches.append(stream(bookmark(50), then="hold"))
    async with running(api) as watch:
        await eventually(lambda: api.watching)

        assert watch.stats.relists == 1


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(
            stream(error(500, "InternalError", "etcdserver: leader changed"), then="hold"), id="an ERROR event"
        ),
        pytest.param(stream({"type": "ERROR", "object": "nonsense"}, then="hold"), id="a nonsensical ERROR event"),
        pytest.param(status(500, "InternalError"), id="HTTP 500"),
        pytest.param(status(403, "Forbidden"), id="HTTP 403"),
        pytest.param(raw(b"<html>bad gateway</html>", 502), id="a page of a proxy"),
        pytest.param(stream(b'{"type":"ADDED","obj', then="cut"), id="a connection cut in a line"),
        pytest.param(stream(b'{"type":"ADDED","obj'), id="an unfinished last line"),
    ],
)
async def test_any_other_end_is_followed_by_a_new_connection_from_the_same_version(api, end):
    api.watches.append(end)
    async with running(api) as watch:
        await eventually(lambda: api.watching)
        api.send(added(pod("later", version=101)))
        await eventually(lambda: watch.handler.heard)

        assert [seen.query["resourceVersion"] for seen in api.of("watch")] == ["100", "100"]
        assert (len(api.of("list")), watch.stats.relists, watch.stats.reconnects) == (1, 0, 1)


async def test_bookmarks_and_events_move_the_version_at_which_it_resumes(api):
    api.watches += [stream(bookmark(150)), stream(added(pod("a", version=160)), b"not json\n")]
    async with running(api):
        await eventually(lambda: api.watching)

        assert [seen.query["resourceVersion"] for seen in api.of("watch")] == ["100", "150", "160"]


async def test_an_event_given_again_after_a_reconnect_is_reported_once(api):
    api.watches += [stream(added(pod("a", version=101))), stream(added(pod("a", version=101)))]
    async with running(api) as watch:
        await eventually(lambda: api.watching)

        assert watch.handler.heard == ["seen a 101"]


async def test_a_silent_connection_is_given_up(api):
    api.watches.append(stream(then="hold"))
    async with running(api, WatchTimings(idle_timeout=0.1, min_backoff=0.01)) as watch:
        await eventually(lambda: api.watching)

        assert "Timeout" in watch.stats.last_error


async def test_a_list_that_never_answers_is_given_up(api):
    async def never(_request):
        await asyncio.Event().wait()

    api.lists.append(never)
    async with running(api, WatchTimings(page_timeout=0.1, min_backoff=0.01)):
        await eventually(lambda: api.watching)


@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_obeyed(api, code):
    api.lists.append(status(code, "TooManyRequests", headers={"Retry-After": "9"}))
    async with running(api, WatchTimings(min_backoff=0.01, max_retry_after=0.2)) as watch:
        await eventually(lambda: api.requests)
        asked = asyncio.get_running_loop().time()
        await eventually(lambda: api.watching)

        assert asyncio.get_running_loop().time() - asked >= 0.15
        assert str(code) in watch.stats.last_error


async def test_retry_after_is_obeyed_in_an_error_event(api):
    api.watches.append(stream(error(429, "TooManyRequests", retryAfterSeconds=9), then="hold"))
    async with running(api, WatchTimings(min_backoff=0.01, max_retry_after=0.2)):
        await eventually(lambda: api.of("watch"))
        asked = asyncio.get_running_loop().time()
        await eventually(lambda: api.watching)

        assert asyncio.get_running_loop().time() - asked >= 0.18


async def test_a_server_that_closes_at_once_is_not_hammered(api):
    api.watches += [stream() for _ in range(200)]
    async with running(api, WatchTimings(min_backoff=0.02, max_backoff=5.0, jitter=lambda low, _high: low)):
        await asyncio.sleep(0.3)

        # 20, 40, 80, 160 ms: five at most in 0.3 s, where a spinning client makes hundreds.
        assert 3 <= len(api.of("watch")) <= 5


async def test_a_server_that_sends_an_error_event_at_once_is_not_hammered(api):
    api.watches += [stream(error(500, "InternalError")) for _ in range(200)]
    async with running(api, WatchTimings(min_backoff=0.02, max_backoff=5.0, jitter=lambda low, _high: low)):
        await asyncio.sleep(0.3)

        assert 3 <= len(api.of("watch")) <= 5


async def test_an_api_server_that_goes_away_is_awaited(api):
    async with running(api) as watch:
        await eventually(lambda: api.watching)
        await api.stop()
        await eventually(lambda: "Connector" in watch.stats.last_error)
        await api.start()
        await eventually(lambda: api.watching)
        api.send(added(pod("back", version=101)))
        await eventually(lambda: watch.handler.heard)

        assert watch.handler.heard == ["seen back 101"]


async def test_a_rotated_token_is_used_at_the_next_connection(api, tmp_path):
    file = tmp_path / "token"
    file.write_text("first")
    api.token = lambda: f"Bearer {file.read_text()}"
    file_then = stream(bookmark(101))

    async def rotate(request):
        file.write_text("second")
        return await file_then(request)

    api.watches.append(rotate)
    async with running(api):
        await eventually(lambda: api.watching)

        assert [seen.authorization for seen in api.of("watch")] == ["Bearer first", "Bearer second"]


async def test_a_token_file_that_is_missing_for_a_moment_does_no_harm(api, tmp_path):
    file = tmp_path / "token"
    access = Access(server=api.access.server, authorization=lambda: f"Bearer {file.read_text()}")
    async with running(api, access=access) as watch:
        await eventually(lambda: "credentials" in watch.stats.last_error)
        file.write_text("here")
        await eventually(lambda: api.watching)


async def test_a_line_of_300_kb_arrives_whole(api):
    async with running(api) as watch:
        await eventually(lambda: api.watching)
        big = pod("big", version=101, annotations={"story": "x" * 300_000})
        api.send(added(big), added(pod("next", version=102)))
        await eventually(lambda: len(watch.handler.heard) == 2)

        assert watch.handler.heard == ["seen big 101", "seen next 102"]


async def test_a_line_may_come_in_pieces(api):
    data = api.encode(added(pod("slow", version=101)))
    async with running(api) as watch:
        await eventually(lambda: api.watching)
        for start in range(0, len(data), 150):
            api.send(data[start : start + 150])
        await eventually(lambda: watch.handler.heard)

        assert watch.handler.heard == ["seen slow 101"]


async def test_what_cannot_be_read_is_counted_said_once_and_skipped(api, caplog):
    garbage = b"\0\0\0\2\xff\xff" if api.protobuf else b"garbage\n\n"
    strange = pod("strange", version=103, deletionTimestamp=NEVER)
    async with running(api) as watch:
        await eventually(lambda: api.watching)
        api.send(garbage, added(strange), added(strange), {"type": "NEW", "object": {}}, added(pod(version=104)))
        await eventually(lambda: watch.handler.heard)

        assert watch.handler.heard == ["seen web-1 104"]
        assert watch.stats.undecodable == 4
        assert sum("logged once): object" in record.message for record in caplog.records) == 1


async def test_a_pod_that_cannot_be_read_in_a_new_list_has_not_vanished(api):
    strange = pod("strange", version=2, deletionTimestamp=NEVER)
    api.objects = [pod("strange", version=1)]
    api.watches.append(stream(error(410)))

    async def second(_request):
        api.objects = [strange, pod("other", version=3)]
        return await api._list(_request)

    api.lists += [api._list, second]
    async with running(api) as watch:
        await eventually(lambda: api.watching)

        assert watch.handler.heard == ["seen strange 1", "seen other 3"]
        assert watch.stats.undecodable == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(raw(b'{"kind":"PodList","metadata":{"resou'), id="a cut page"),
        pytest.param(raw(b"[]"), id="a page of another shape"),
        pytest.param(raw(b'{"items":[]}'), id="a page without a version"),
    ],
)
async def test_an_unreadable_page_is_asked_for_again(api, answer):
    api.lists.append(answer)
    async with running(api):
        await eventually(lambda: api.watching)

        assert len(api.of("list")) == 2


async def test_an_object_on_which_the_handler_fails_is_given_again_by_the_next_list(api, caplog):
    class Fragile(Recorder):
        def on_upsert(self, obj, at):
            super().on_upsert(obj, at)
            if len(self.heard) == 1:
                raise ZeroDivisionError

    api.objects = [pod("poison"), pod("other")]
    api.watches.append(stream(error(410)))
    async with running(api, handler=Fragile()) as watch:
        await eventually(lambda: api.watching)

        assert watch.handler.heard == ["seen poison 1", "seen other 1", "seen poison 1"]
        assert watch.stats.unhandled == 1
        assert "ZeroDivisionError" in caplog.text


async def test_other_tasks_get_their_turn_during_a_long_list(api):
    turns = 0

    class Counting(Recorder):
        def on_upsert(self, obj, at):
            self.heard.append(turns)

    async def others():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    api.lists.append(page([pod(f"web-{n}") for n in range(3000)], 100))
    async with running(api, WatchTimings(batch_size=100), Counting()) as watch:
        task = asyncio.create_task(others())
        await eventually(lambda: watch.stats.synced)
        await end(task)

        assert watch.handler.heard[-1] - watch.handler.heard[0] >= 29
