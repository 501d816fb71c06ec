"""The activities' client: raw objects, pages, and errors that are ours."""

import asyncio
import json

import pytest
from fakes.apiserver import FakeApi, page, raw, status

from prunella_operator.kubernetes.access import Access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.request import AlreadyExists
from prunella_operator.kubernetes.sync_client import SyncClient
from prunella_operator.observability import metrics
from prunella_workflows.model.errors import (
    Conflict,
    Forbidden,
    NotFound,
    Permanent,
    Refused,
    Retryable,
    Unavailable,
)


@pytest.fixture
async def api():
    async with FakeApi() as server:
        yield server


ELSEWHERE = [
    "/apis/apps/v1/namespaces/shop/deployments/../../../../../../api/v1/namespaces/other/pods/a",
    "/apis/apps/v1/namespaces/shop/deployments/%2e%2e",
    "/apis/apps/v1/namespaces/shop/deployments/.",
    "/api/v1/namespaces/shop/pods/a?watch=true",
    "/api/v1/namespaces/shop/pods/a#b",
    "/api/v1/namespaces/shop/pods//a",
    "/api/v1/namespaces/shop/pods/a\nb",
    "/api/v1/namespaces/shop/pods/",
    "@other.example/api",
]
"""Paths with a name that no object has; an annotation or an owner reference may hold such a one."""


async def call(api, method, *arguments, **params):
    kube = SyncClient(api.access, timeout=2)

    def work():
        answer = getattr(kube, method)(*arguments, **params)
        return list(answer) if method in {"list", "metadata"} else answer

    return await asyncio.to_thread(work)


@pytest.mark.parametrize(
    ("code", "reason", "error"),
    [
        (400, "BadRequest", Refused),
        (401, "Unauthorized", Forbidden),
        (403, "Forbidden", Forbidden),
        (404, "NotFound", NotFound),
        (409, "Conflict", Conflict),
        (409, "AlreadyExists", AlreadyExists),
        (410, "Expired", Unavailable),
        (422, "Invalid", Refused),
        (429, "TooManyRequests", Unavailable),
        (500, "InternalError", Unavailable),
        (503, "ServiceUnavailable", Unavailable),
    ],
)
async def test_answers_become_our_errors_in_the_servers_words(api, code, reason, error):
    api.others += [status(code, reason, "deployments.apps is not what it should be")] * 2
    api.lists.append(raw(b"ok"))  # /readyz: a refusal is believed, and asked for twice, only then
    with pytest.raises(error, match=r"deployments\.apps") as raised:
        await call(api, "create", "/x", {"metadata": {"name": "x"}})
    assert type(raised.value) is error
    assert isinstance(raised.value, Retryable) is not isinstance(raised.value, Permanent)


async def test_a_refusal_by_an_api_server_that_starts_is_none(api):
    api.others.append(status(403, "Forbidden", "not yet ready to handle request"))
    api.lists.append(status(500, "InternalError", "informer-sync failed"))
    with pytest.raises(Unavailable, match="is starting"):
        await call(api, "create", "/x", {"metadata": {"name": "x"}})


async def test_credentials_that_are_not_accepted_are_no_answer(api):
    api.others.append(status(401, "Unauthorized", "Unauthorized"))
    api.lists.append(status(401, "Unauthorized", "Unauthorized"))
    with pytest.raises(Unavailable, match="does not accept our credentials"):
        await call(api, "create", "/x", {"metadata": {"name": "x"}})


@pytest.mark.parametrize("code", [401, 403])
async def test_a_refusal_that_was_the_last_of_the_start_is_none(api, code):
    api.others += [status(code, "Forbidden", "not yet"), raw(b'{"metadata":{"name":"x"}}', 201)]
    api.lists.append(raw(b"ok"))
    assert await call(api, "create", "/x", {"metadata": {"name": "x"}}) == {"metadata": {"name": "x"}}


async def test_what_an_error_echoes_is_redacted(api):
    message = 'Deployment "web" is invalid: env[0].value: Invalid value: "postgres://shop:hunter2secret@db/shop"'
    api.others.append(status(422, "Invalid", message))
    with pytest.raises(Refused) as raised:
        await call(api, "json_patch", "/x", [])
    assert "hunter2secret" not in str(raised.value)
    assert "postgres://shop:***@db/shop" in str(raised.value)


async def test_a_proxys_page_is_quoted_in_part(api):
    api.others.append(raw(b"<html>" + b"x" * 5000, 502))
    with pytest.raises(Unavailable, match="<html>") as raised:
        await call(api, "create", "/x", {"metadata": {"name": "x"}})
    assert len(str(raised.value)) < 300


async def test_nobody_answers():
    kube = SyncClient(Access("http://127.0.0.1:9"), timeout=1)
    with pytest.raises(Unavailable, match="does not answer"):
        await asyncio.to_thread(kube.get, "/x")


async def test_a_server_that_never_ends_its_answer_is_given_up(api):
    async def hang(_request):
        await asyncio.sleep(30)

    api.lists.append(hang)
    kube = SyncClient(api.access, timeout=0.2)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(kube.get, "/x")


async def test_nothing_is_tried_twice_by_itself(api):
    """Temporal counts the tries; a client that repeats a write behind its back would spoil that."""
    api.others.extend([status(503, "", "away")] * 3)
    with pytest.raises(Unavailable):
        await call(api, "create", "/x", {"metadata": {"name": "x"}})
    assert len(api.of("other")) == 1


async def test_lists_are_read_page_by_page(api):
    api.lists.extend([page([{"n": 1}, {"n": 2}], 5, token="next"), page([{"n": 3}], 5)])
    assert await call(api, "list", "/x", labelSelector="app=web") == [{"n": 1}, {"n": 2}, {"n": 3}]
    first, second = api.of("list")
    assert (first.query["labelSelector"], second.query["labelSelector"]) == ("app=web", "app=web")
    assert second.query["continue"] == "next"


async def test_of_metadata_only_what_somebody_needs_is_built(api):
    wanted = {"name": "a", "namespace": "shop", "uid": "u", "resourceVersion": "7", "finalizers": ["x/y"]}
    wanted |= {"labels": {"app": "web"}, "annotations": {"prunella.dev/repair-slots": "{}"}}
    other = {"managedFields": [{"manager": "kopf", "fieldsV1": {"f:status": {}}}], "creationTimestamp": "2026"}
    api.lists += [page([{"kind": "PartialObjectMetadata", "metadata": {**wanted, **other}}], 5)]
    (found,) = await call(api, "metadata", "/x")

    assert json.loads(json.dumps(found)) == {"metadata": wanted}
    assert "PartialObjectMetadataList" in api.of("list")[0].headers["Accept"]


async def test_what_is_not_set_is_not_there(api):
    api.lists += [page([{"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}}], 5)]
    assert await call(api, "metadata", "/x") == [{"metadata": {"name": "a", "uid": "u", "resourceVersion": "7"}}]


@pytest.mark.parametrize("method", ["list", "metadata"])
async def test_a_page_that_cannot_be_read(api, method):
    api.lists.append(raw(b"<html>a proxy's page</html>"))
    with pytest.raises(Unavailable, match="cannot be read"):
        await call(api, method, "/x")


async def test_an_answer_without_items_is_an_empty_list(api):
    api.lists.append(raw(b'{"metadata":{}}'))
    assert await call(api, "list", "/x") == []


@pytest.mark.parametrize(
    ("method", "body", "content_type", "query"),
    [
        ("create", {"metadata": {"name": "x"}}, "application/json", {"fieldManager": "prunella"}),
        ("json_patch", [{"op": "test"}], "application/json-patch+json", {"fieldManager": "prunella"}),
        ("merge_patch", {"a": 1}, "application/merge-patch+json", {"fieldManager": "prunella"}),
        ("apply", {"a": 1}, "application/apply-patch+yaml", {"fieldManager": "prunella", "force": "true"}),
    ],
)
async def test_writes_name_their_manager_and_their_kind(api, method, body, content_type, query):
    api.others.append(raw(b'{"metadata":{"name":"x"}}'))
    assert await call(api, method, "/x", body) == {"metadata": {"name": "x"}}
    (seen,) = api.of("other")
    assert (json.loads(seen.body), seen.query) == (body, query)
    assert seen.headers["Content-Type"] == content_type


async def test_every_call_uses_the_token_of_the_moment(api):
    tokens = iter(["Bearer one", "Bearer two"])
    api.token = lambda: next(tokens)
    kube = SyncClient(api.access)
    await asyncio.to_thread(kube.get, "/x")
    await asyncio.to_thread(kube.get, "/x")
    assert [seen.authorization for seen in api.requests] == ["Bearer one", "Bearer two"]


async def test_a_log_is_text_whatever_its_bytes(api):
    api.lists.append(raw(b"caf\xe9\nend"))
    assert await call(api, "text", "/log") == "caf\N{REPLACEMENT CHARACTER}\nend"


@pytest.mark.parametrize("path", ELSEWHERE)
async def test_a_name_never_leads_a_request_elsewhere(api, path):
    with pytest.raises(NotFound, match="no object can have this name"):
        await call(api, "get", path)
    with pytest.raises(NotFound, match="no object can have this name"):
        await call(api, "json_patch", path, [])
    async with AsyncClient(api.access) as rest:
        with pytest.raises(NotFound, match="no object can have this name"):
            await rest.get(path)
    assert api.requests == []


def counted(method, code):
    return metrics.API_REQUESTS.labels(method, code)._value.get()


async def test_requests_are_counted_by_the_code_of_their_answer(api):
    before = [counted("GET", code) for code in ("404", "none")]
    api.lists.append(status(404, "NotFound", "no such thing"))
    with pytest.raises(NotFound):
        await call(api, "get", "/x")
    unreachable = SyncClient(Access(server="http://127.0.0.1:9", authorization=lambda: ""), timeout=2)
    with pytest.raises(Unavailable):
        await asyncio.to_thread(unreachable.get, "/x")
    assert [counted("GET", code) for code in ("404", "none")] == [count + 1 for count in before]
