"""The REST client: what it sends, and how answers become our errors."""

import asyncio
import json

import msgspec
import pytest
from fakes.apiserver import FakeApi, page, raw, status
from fakes.pods import pod

from prunella_operator.detection.pod_status import Pod
from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.api import JSON_PATCH
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.decoding import ObjectHead
from prunella_operator.kubernetes.request import AlreadyExists, to_error
from prunella_operator.observability import metrics
from prunella_operator.runtime.leader_election import NotLeader
from prunella_workflows.model.errors import Conflict, Forbidden, NotFound, Permanent, Refused, Retryable, Unavailable

PATH = "/api/v1/namespaces/shop/pods"


@pytest.fixture
async def api():
    async with FakeApi(token=lambda: "Bearer abc") as server:
        yield server


@pytest.fixture
async def rest(api):
    async with AsyncClient(api.access, timeout=0.3) as client:
        yield client


async def test_get(api, rest):
    api.lists.append(raw(json.dumps(pod("a")).encode()))
    found = await rest.get(f"{PATH}/a", {"resourceVersion": "0"})

    assert found["metadata"]["name"] == "a"
    assert (api.requests[0].path, api.requests[0].query) == (f"{PATH}/a", {"resourceVersion": "0"})
    assert api.requests[0].authorization == "Bearer abc"


async def test_read_builds_only_what_is_asked_for(api, rest):
    api.lists.append(raw(json.dumps(pod("a")).encode()))

    assert (await rest.read(f"{PATH}/a", ObjectHead)).metadata.uid == "uid-a"


async def test_a_list_is_read_to_its_end(api, rest):
    api.lists += [page([pod("a")], 1, "next"), page([pod("b")], 1)]
    found = await rest.list(PATH, {"labelSelector": "tier=web"}, into=Pod)

    assert [item.metadata.name for item in found] == ["a", "b"]
    assert api.requests[1].query == {"labelSelector": "tier=web", "limit": "500", "continue": "next"}


async def test_a_page_is_asked_for_when_it_is_needed(api, rest):
    api.lists += [page([pod("a")], 1, "next"), page([pod("b")], 1)]
    each = rest.each(PATH, into=Pod)

    assert (await anext(each)).metadata.name == "a"
    assert len(api.requests) == 1
    assert [item.metadata.name async for item in each] == ["b"]
    assert len(api.requests) == 2


async def test_create(api, rest):
    api.others.append(raw(b'{"metadata":{"name":"a"}}', 201))
    created = await rest.create(PATH, {"metadata": {"name": "a"}})

    assert created == {"metadata": {"name": "a"}}
    assert (api.requests[0].method, json.loads(api.requests[0].body)) == ("POST", {"metadata": {"name": "a"}})
    assert api.requests[0].headers["Content-Type"] == "application/json"


async def test_patch_says_what_kind_of_patch_it_is(api, rest):
    api.others.append(raw(b"{}"))
    await rest.patch(f"{PATH}/a", [{"op": "test", "path": "/x", "value": 1}], JSON_PATCH, {"fieldManager": "prunella"})
    (seen,) = api.requests

    assert (seen.method, seen.headers["Content-Type"]) == ("PATCH", "application/json-patch+json")
    assert seen.query == {"fieldManager": "prunella"}


async def test_a_name_that_is_taken(api, rest):
    api.others.append(status(409, "AlreadyExists", 'incidents "a" already exists'))

    with pytest.raises(AlreadyExists, match='incidents "a" already exists'):
        await rest.create(PATH, {})


async def test_a_refusal_is_believed_when_the_api_server_is_ready_and_repeats_it(api, rest):
    api.others += [status(403, "Forbidden", "you may not")] * 2
    api.lists.append(raw(b"ok"))
    with pytest.raises(Forbidden, match="you may not"):
        await rest.create(PATH, {})

    assert [request.path for request in api.requests] == [PATH, "/readyz", PATH]


@pytest.mark.parametrize("code", [401, 403])
async def test_a_single_denial_is_no_answer(api, rest, code):
    api.others += [status(code, "Denied", "not yet"), raw(b"{}")]
    api.lists.append(raw(b"ok"))
    assert await rest.create(PATH, {}) == {}


@pytest.mark.parametrize("code", [403, 500])
async def test_a_refusal_by_an_api_server_that_starts_is_none(api, rest, code):
    api.others.append(status(403, "Forbidden", "you may not"))
    api.lists.append(status(code, "Forbidden", "nor that"))
    with pytest.raises(Unavailable, match="is starting"):
        await rest.create(PATH, {})


ANSWERS = {
    400: Refused,
    401: Forbidden,
    403: Forbidden,
    404: NotFound,
    408: Unavailable,
    409: Conflict,
    410: Unavailable,
    413: Refused,
    415: Refused,
    422: Refused,
    429: Unavailable,
    500: Unavailable,
    503: Unavailable,
    504: Unavailable,
}


@pytest.mark.parametrize(("code", "expected"), ANSWERS.items())
def test_each_answer_has_its_error(code, expected):
    error = to_error(code, msgspec.json.encode({"kind": "Status", "message": "no, because", "code": code}))

    assert (type(error), str(error)) == (expected, "no, because")
    assert isinstance(error, Retryable) != isinstance(error, Permanent)


def test_an_answer_that_is_not_from_the_api_server_keeps_its_first_words():
    assert str(to_error(502, b"<html>bad gateway</html>")) == "<html>bad gateway</html>"
    assert str(to_error(404, b"")) == "the API server answered 404"


async def test_an_answer_that_never_comes(api, rest):
    async def never(_request):
        await asyncio.Event().wait()

    api.lists.append(never)

    with pytest.raises(Unavailable, match=f"GET {PATH}: the API server .* does not answer: TimeoutError"):
        await rest.get(PATH)


async def test_an_api_server_that_is_away(api, rest):
    await api.stop()

    with pytest.raises(Unavailable, match=f"GET {PATH}"):
        await rest.get(PATH)


async def test_an_answer_that_cannot_be_read(api, rest):
    api.lists.append(raw(b'{"cut'))

    with pytest.raises(Unavailable, match="cannot be read"):
        await rest.get(PATH)


async def test_credentials_that_cannot_be_read(api, tmp_path):
    access = Access(api.access.server, authorization=(tmp_path / "none").read_text)
    async with AsyncClient(access) as rest:
        with pytest.raises(Unavailable, match="credentials"):
            await rest.get(PATH)


async def test_who_may_not_write_may_still_read(api):
    def refuse():
        raise NotLeader("another one")

    api.lists.append(raw(json.dumps(pod("a")).encode()))
    async with AsyncClient(api.access, timeout=0.3, may_write=refuse) as client:
        assert (await client.get(f"{PATH}/a"))["metadata"]["name"] == "a"
        for write in (
            client.create(PATH, {}),
            client.patch(f"{PATH}/a", {}, JSON_PATCH),
            client.delete(f"{PATH}/a"),
        ):
            with pytest.raises(NotLeader):
                await write
    assert [seen.method for seen in api.requests] == ["GET"]


def counted(method, code):
    return metrics.API_REQUESTS.labels(method, code)._value.get()


async def test_requests_are_counted_by_the_code_of_their_answer(api, rest):
    before = [counted("POST", code) for code in ("201", "409", "none")]
    api.others += [raw(b"{}", 201), status(409, "AlreadyExists", "it exists")]
    await rest.create(PATH, {})
    with pytest.raises(AlreadyExists):
        await rest.create(PATH, {})
    async with AsyncClient(Access(server="http://127.0.0.1:9", authorization=lambda: "")) as unreachable:
        with pytest.raises(Unavailable):
            await unreachable.create(PATH, {})
    assert [counted("POST", code) for code in ("201", "409", "none")] == [count + 1 for count in before]
