"""The console: pages, access, and how actions are sent."""

import re

import pytest
from aiohttp.test_utils import TestClient, TestServer
from fakes.incidents import incident
from unit.operator.console.conftest import HOSTILE

from prunella_operator.console.app import Console


async def text(response, status=200):
    assert response.status == status, await response.text()
    return await response.text()


async def sign_in(browse, token="alices-token"):
    return await browse.post("/login", data={"token": token}, allow_redirects=False)


async def csrf(browse, path):
    return re.search(r'name="csrf" value="([^"]+)"', await text(await browse.get(path)))[1]


async def test_the_overview_has_every_incident_and_statistics(browse):
    page = await text(await browse.get("/"))
    for part in ("Deployment/checkout", "Deployment/cart", "Deployment/orders", "AwaitingApproval", "50 %", "1m28s"):
        assert part in page
    assert page.count("<rect class=") == 6, "two bars and the legend"


async def test_the_overview_has_the_shadow_score_where_there_is_one(browse, readers):
    assert "observed incident" not in await text(await browse.get("/"))
    readers.own.raw.append(incident("seen", phase="DryRunDone", plan="Restart it"))
    page = await text(await browse.get("/?state=closed"))
    assert "Of 1 observed incident with a plan, 0 would have been healed; 1 is not judged yet." in page


async def test_an_incident_has_the_level_that_was_earned(browse, readers):
    earned = {"action": "SetMemory", "level": "Observe", "message": "0 of 0 <succeeded>."}
    readers.own.raw.append(incident("seen", phase="DryRunDone", autonomy=earned))
    page = await text(await browse.get("/incidents/shop/seen"))
    assert "<dd>Observe: 0 of 0 &lt;succeeded&gt;.</dd>" in page


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("state=open", ["orders"]),
        ("state=closed", ["checkout", "cart"]),
        ("namespace=billing", ["orders"]),
        ("cause=bad_release", ["checkout"]),
        ("text=CART", ["cart"]),
        ("state=nonsense", ["checkout", "cart", "orders"]),
        ("text=nothing-like-this", []),
    ],
)
async def test_filters(browse, query, shown):
    page = await text(await browse.get(f"/?{query}"))
    assert set(re.findall(r">Deployment/(\w+)</a>", page)) == set(shown)


async def test_the_timeline_of_one_incident(browse):
    page = await text(await browse.get("/incidents/shop/checkout-1"))
    order = (
        "Fault occurred",
        "Detected: PodCrashLoop",
        "Diagnosed: bad_release",
        "Guards checked",
        "Attempt 1: ",
        "Attempt 1 verified: Healed",
        "Closed",
    )
    assert [page.index(title) for title in order] == sorted(page.index(title) for title in order)
    assert '<span class="add">+  image: shop:1</span>' in page
    assert "http://temporal/incident-u/r" in page


@pytest.mark.parametrize("path", ["/", "/incidents/shop/checkout-1", f"/?text={HOSTILE}", f"/?namespace={HOSTILE}"])
async def test_nothing_from_a_cluster_becomes_markup(browse, path):
    page = await text(await browse.get(path))
    assert "<script>alert" not in page


async def test_every_response_carries_the_headers(browse):
    for path in ("/", "/login", "/nowhere", "/incidents/shop/none", "/static/console.css"):
        response = await browse.get(path)
        assert "default-src 'none'" in response.headers["Content-Security-Policy"], path
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/nowhere", "/incidents/shop/none", "/incidents/shop/..%2f..%2fsecrets"])
async def test_missing_pages(browse, path):
    assert "All incidents" in await text(await browse.get(path), 404)


async def test_without_a_token_there_are_no_actions(browse, readers):
    page = await text(await browse.get("/incidents/billing/orders-1"))
    assert "Approve" not in page
    assert "Sign in" in page
    refused = await browse.post("/incidents/billing/orders-1", data={"action": "approve"})
    assert refused.status == 403
    assert readers.own.patches == []


async def test_an_unknown_token(browse):
    assert "rejected this token" in await text(await sign_in(browse, "bad"), 401)


@pytest.mark.parametrize("token", ["", "x" * 20_000, "line\nbreak", "\u00fc"])
async def test_an_invalid_token(browse, token):
    assert (await sign_in(browse, token)).status in (400, 413)


async def test_the_cookie_is_not_the_token_and_scripts_cannot_read_it(browse):
    response = await sign_in(browse)
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "alices-token" not in str(response.headers)


async def test_an_action_is_sent_with_the_users_token(browse, readers):
    await sign_in(browse)
    word = await csrf(browse, "/incidents/billing/orders-1")
    readers.tokens.clear()
    form = {"csrf": word, "action": "approve", "reason": "fine"}
    response = await browse.post("/incidents/billing/orders-1", data=form, allow_redirects=False)
    assert (response.status, response.headers["Location"]) == (303, "/incidents/billing/orders-1")
    assert readers.tokens == ["alices-token"]
    approval = {"decision": "Approved", "by": "alice", "groups": None, "reason": "fine"}
    assert readers.own.patches == [("orders-1", {"spec": {"approval": approval}})]


@pytest.mark.parametrize("form", [{"action": "approve"}, {"action": "approve", "csrf": "guess"}, {"csrf": ""}])
async def test_a_form_of_another_site_is_refused(browse, readers, form):
    await sign_in(browse)
    assert (await browse.post("/incidents/billing/orders-1", data=form)).status == 403
    assert readers.own.patches == []


async def test_a_login_sent_by_another_site_is_refused(browse):
    headers = {"Sec-Fetch-Site": "cross-site"}
    assert (await browse.post("/login", data={"token": "t"}, headers=headers)).status == 403


async def test_an_unknown_action(browse):
    await sign_in(browse)
    word = await csrf(browse, "/incidents/billing/orders-1")
    assert (await browse.post("/incidents/billing/orders-1", data={"csrf": word, "action": "explode"})).status == 400


async def test_signed_out_is_signed_out(browse):
    await sign_in(browse)
    await browse.post("/logout")
    assert "Sign in" in await text(await browse.get("/"))


async def test_without_anonymous_access_every_page_redirects_to_the_login(readers):
    async with TestClient(
        TestServer(Console(readers, readers.incidents, lambda *_: "", anonymous=False).app())
    ) as client:
        response = await client.get("/incidents/shop/checkout-1", allow_redirects=False)
        assert (response.status, response.headers["Location"]) == (303, "/login?back=/incidents/shop/checkout-1")
        assert readers.tokens == []


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8081", 200),
        ("localhost:8081", 200),
        ("[::1]:8081", 200),
        ("rebound.example", 421),
        ("rebound.example:8081", 421),
        ("127.0.0.1.rebound.example", 421),
        ("", 421),
    ],
)
async def test_dns_rebinding_reads_nothing(readers, host, status):
    async with TestClient(TestServer(Console(readers, readers.incidents, lambda *_: "", local=True).app())) as client:
        response = await client.get("/", headers={"Host": host})
        assert response.status == status
        assert ("checkout-1" in await response.text()) is (status == 200)


async def test_a_public_console_serves_every_host_name(browse):
    assert (await browse.get("/", headers={"Host": "console.example.org"})).status == 200


async def test_viewers_share_a_page_for_a_moment(browse, readers, monkeypatch):
    moment = [100.0]
    monkeypatch.setattr("prunella_operator.clock.monotonic", lambda: moment[0])
    assert "Deployment/cart" in await (await browse.get("/")).text()
    readers.own.raw = readers.own.raw[:1]
    assert "Deployment/cart" in await (await browse.get("/")).text()
    assert "Deployment/cart" not in await (await browse.get("/?state=closed")).text()
    moment[0] += 2
    assert "Deployment/cart" not in await (await browse.get("/")).text()


async def test_in_a_restricted_installation_a_user_needs_to_list_its_namespaces_only(readers, monkeypatch):
    asked = []
    monkeypatch.setattr(readers.own, "check_list", asked.append)
    console = Console(readers, readers.incidents, lambda *_: "", namespaces=("shop", "billing"))
    async with TestClient(TestServer(console.app())) as client:
        await sign_in(client)
        await client.get("/")
    assert asked == ["shop", "billing"]
