"""Answers by the links in messages: what opening one shows, what its button does, and which links are refused."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.incidents import FakeReader, incident
from structlog.testing import capture_logs

from prunella_operator.config.settings import Settings
from prunella_operator.console.app import Console
from prunella_operator.incidents.client import parse
from prunella_operator.integrations.answer_links import create_answer_links
from prunella_workflows.model.errors import Conflict, Forbidden
from prunella_workflows.model.incident import Decision, IncidentRef
from prunella_workflows.model.proposal import proposal_id

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
DIFF = "@@ template\n-  image: shop:2\n+  image: <b>shop:1</b>\n"
WAITING = {"message": "Waiting.", "plan": "Roll back to <revision 1>", "diff": DIFF, "target": "Deployment/checkout"}
REF = IncidentRef(namespace="shop", name="checkout-1", uid="uid-checkout-1")
ANSWERED_AT = "2026-11-24T11:30:00Z"


def waiting(**changes):
    return incident("checkout-1", phase="AwaitingApproval", **{**WAITING, **changes})


class Server(FakeReader):
    """An API server that applies answers, checks versions, and knows users by their tokens."""

    def __init__(self, *raw):
        super().__init__(*raw)
        self.token = None
        self.before = lambda: None
        self.touch()

    def __call__(self, token):
        self.token = token
        return self

    def touch(self, **spec):
        metadata = self.raw[0]["metadata"]
        metadata["resourceVersion"] = str(int(metadata.get("resourceVersion", "0")) + 1)
        self.raw[0]["spec"].update(spec)

    def whoami(self):
        return self.token.removesuffix("s-token")

    def patch(self, item, body):
        self.before()
        if body["metadata"]["resourceVersion"] != self.raw[0]["metadata"]["resourceVersion"]:
            raise Conflict("the object has been modified")
        super().patch(item, body)
        approval = body["spec"]["approval"]
        self.touch(approval={name: value for name, value in approval.items() if value is not None})


@pytest.fixture
def server():
    return Server(waiting())


@pytest.fixture
def links(tmp_path):
    (tmp_path / "keys").write_text("k" * 32)
    settings = Settings(link_key_file=str(tmp_path / "keys"), console_url="https://prunella.example.org")
    return create_answer_links(settings)


@pytest.fixture
def link(links, server):
    """Make the path of a link, for the incident as it is now."""

    def make(decision=Decision.APPROVED, ref=REF):
        address = links.make(ref, proposal_id(parse(server.raw[0]).status), decision, NOW)
        return address.removeprefix("https://prunella.example.org")

    return make


@pytest.fixture
async def browse(server, links, monkeypatch):
    """A browser on the console; another console of the same cluster is `Console` once more."""
    monkeypatch.setattr("prunella_operator.clock.now", lambda: NOW)
    async with TestClient(TestServer(Console(server, list, lambda *_: "", links=links).app())) as client:
        yield client


async def sign_in(browse, user="alice"):
    await browse.post("/login", data={"token": f"{user}s-token"}, allow_redirects=False)


async def open_link(browse, path):
    """The page of a link, and the secret of its form."""
    response = await browse.get(path)
    page = await response.text()
    assert response.status == 200, page
    return page, re.search(r'name="csrf" value="([^"]+)"', page)[1]


async def press(browse, path, csrf, reason="fine"):
    return await browse.post(path, data={"csrf": csrf, "reason": reason}, allow_redirects=False)


async def refused(response):
    page = await response.text()
    assert response.status == 410, page
    assert "Nothing was changed." in page
    return re.search(r'<p class="lead">(.*)</p>', page)[1]


async def test_opening_a_link_changes_nothing_even_for_someone_who_signed_in(browse, server, link):
    path = link()
    for _ in range(3):
        assert (await browse.get(path, allow_redirects=False)).status == 303
    await sign_in(browse)
    for method in ("GET", "HEAD"):
        assert (await browse.request(method, path)).status == 200
    assert server.patches == []


async def test_people_sign_in_and_come_back_to_the_link(browse, link):
    path = link()
    to_login = (await browse.get(path, allow_redirects=False)).headers["Location"]
    assert to_login == f"/login?back={path}"
    page = await (await browse.get(to_login)).text()
    assert f'name="back" value="{path}"' in page
    form = {"token": "alices-token", "back": path}
    assert (await browse.post("/login", data=form, allow_redirects=False)).headers["Location"] == path


async def test_the_page_shows_the_repair_and_one_button(browse, link):
    await sign_in(browse)
    page, _ = await open_link(browse, link())
    for words in ("Approve the repair of Deployment/checkout?", "Roll back to &lt;revision 1&gt;", "alice"):
        assert words in page
    assert '<span class="add">+  image: &lt;b&gt;shop:1&lt;/b&gt;</span>' in page
    assert page.partition("<main")[2].count("<button") == 1


@pytest.mark.parametrize(("decision", "button"), [(Decision.APPROVED, "Approve"), (Decision.REJECTED, "Reject")])
async def test_the_button_answers_in_the_users_own_name(browse, server, link, decision, button):
    await sign_in(browse)
    path = link(decision)
    page, csrf = await open_link(browse, path)
    assert f">{button}</button>" in page
    response = await press(browse, path, csrf)
    assert (response.status, response.headers["Location"]) == (303, "/incidents/shop/checkout-1")
    approval = {"decision": decision, "by": "alice", "groups": None, "reason": "fine"}
    assert [body["spec"] for _, body in server.patches] == [{"approval": approval}]


async def test_a_link_is_used_once_by_anyone_and_at_any_console(browse, server, links, link):
    await sign_in(browse)
    approve, reject = link(), link(Decision.REJECTED)
    _, csrf = await open_link(browse, approve)
    await press(browse, approve, csrf)
    for path in (approve, reject):
        assert await refused(await browse.get(path)) == "It was answered already: Approved by alice."
        assert "answered already" in await refused(await press(browse, path, csrf))
    condition = {"type": "Approved", "status": "True", "reason": "Approved", "lastTransitionTime": ANSWERED_AT}
    server.raw[0]["status"].update(phase="Repairing", conditions=[condition])
    async with TestClient(TestServer(Console(server, list, lambda *_: "", links=links).app())) as restarted:
        await sign_in(restarted, "bob")
        reason = await refused(await restarted.get(approve))
    assert reason == "It was answered already: Approved by alice at 2026-11-24 11:30:00 UTC."
    assert len(server.patches) == 1


async def test_of_two_answers_at_once_the_first_counts(browse, server, link):
    await sign_in(browse)
    path = link()
    _, csrf = await open_link(browse, path)
    server.before = lambda: (
        server.touch(approval={"decision": "Rejected", "by": "bob"})
        if "approval" not in server.raw[0]["spec"]
        else None
    )
    assert "Rejected by bob" in await refused(await press(browse, path, csrf))
    assert server.patches == []


async def test_a_harmless_write_in_between_does_not_stop_an_answer(browse, server, link):
    await sign_in(browse)
    path = link()
    _, csrf = await open_link(browse, path)
    writes = [server.touch, server.touch]
    server.before = lambda: writes.pop()() if writes else None
    assert (await press(browse, path, csrf)).status == 303
    assert len(server.patches) == 1


async def test_an_incident_that_never_rests_is_reported(browse, server, link):
    await sign_in(browse)
    path = link()
    _, csrf = await open_link(browse, path)
    server.before = server.touch
    assert (await press(browse, path, csrf)).status == 503
    assert server.patches == []


async def test_an_answer_of_someone_who_is_no_approver_leaves_the_page_of_the_incident(browse, server, link):
    path = link()
    server.touch(approval={"decision": "Approved", "by": "mallory"})
    server.raw[0]["status"].update(reason="NotAnApprover", message="mallory may not approve.")
    await sign_in(browse)
    reason = await refused(await browse.get(path))
    assert reason == (
        "It was answered already: Approved by mallory. mallory may not approve. Answer on the incident&#39;s page."
    )
    assert 'value="approve"' in await (await browse.get("/incidents/shop/checkout-1")).text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw["status"].update(plan="Restart"), "another one since"),
        (lambda raw: raw["status"].update(diff=""), "another one since"),
        (lambda raw: raw["status"].update(workflow={"id": "incident-u", "runId": "r2"}), "another one since"),
        (lambda raw: raw["status"].update(phase="Diagnosing"), "does not wait for an approval any more: it is Diagn"),
        (lambda raw: raw["status"].update(phase="Escalated"), "it is Escalated"),
        (lambda raw: raw["metadata"].update(uid="another"), "earlier incident of this name"),
    ],
)
async def test_a_link_is_for_this_proposal_of_this_object_only(browse, server, link, change, words):
    await sign_in(browse)
    path = link()
    _, csrf = await open_link(browse, path)
    change(server.raw[0])
    assert words in await refused(await browse.get(path))
    assert words in await refused(await press(browse, path, csrf))
    assert server.patches == []


async def test_an_incident_that_is_gone(browse, server, link):
    await sign_in(browse)
    path = link()
    server.raw.clear()
    response = await browse.get(path)
    assert response.status == 404
    assert "there is no incident checkout-1" in await response.text()


async def test_links_that_are_forged_or_too_old_are_refused_before_anything_is_read(browse, server, link, monkeypatch):
    path = link()
    await sign_in(browse)
    _, csrf = await open_link(browse, path)
    monkeypatch.setattr(server, "get", None)
    for wrong in (path[:-2], "/answers/x.y", "/answers/x"):
        assert "changed or is incomplete" in await refused(await browse.get(wrong))
        assert "changed or is incomplete" in await refused(await press(browse, wrong, csrf))
    monkeypatch.setattr("prunella_operator.clock.now", lambda: NOW + timedelta(hours=24))
    assert "valid until 2026-11-25 12:00 UTC" in await refused(await browse.get(path))
    assert server.patches == []


@pytest.mark.parametrize("form", [{}, {"csrf": ""}, {"csrf": "guess"}])
async def test_a_form_that_we_did_not_render_is_refused(browse, server, link, form):
    path = link()
    assert (await browse.post(path, data=form)).status == 403
    await sign_in(browse)
    assert (await browse.post(path, data=form)).status == 403
    _, csrf = await open_link(browse, path)
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert (await browse.post(path, data={"csrf": csrf}, headers=headers)).status == 403
    assert server.patches == []


async def test_the_api_server_decides_who_may_answer(browse, server, link, monkeypatch):
    def forbid(*_):
        raise Forbidden("bob may not patch incidents")

    await sign_in(browse, "bob")
    path = link()
    _, csrf = await open_link(browse, path)
    monkeypatch.setattr(server, "patch", forbid)
    assert (await press(browse, path, csrf)).status == 403


async def test_the_log_says_who_answered_and_has_no_link(browse, link):
    await sign_in(browse)
    path = link()
    _, csrf = await open_link(browse, path)
    with capture_logs() as lines:
        await press(browse, path, csrf)
    (line,) = [line for line in lines if line["event"] == "link used"]
    assert (line["user"], line["incident"], line["decision"]) == ("alice", "checkout-1", "Approved")
    assert path.rpartition("/")[2][:40] not in str(lines)


async def test_a_console_that_lost_its_keys_says_so_and_logs_the_file(browse, links, link):
    path = link()
    links.key_file.unlink()
    with capture_logs() as lines:
        response = await browse.get(path)
    page = await response.text()
    assert (response.status, "see the log of the console" in page, str(links.key_file) in page) == (503, True, False)
    assert any(str(links.key_file) in line.get("error", "") for line in lines)


async def test_without_a_key_there_is_no_such_page(server):
    async with TestClient(TestServer(Console(server, list, lambda *_: "").app())) as client:
        assert (await client.get("/answers/x.y")).status == 404
