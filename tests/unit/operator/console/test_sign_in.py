"""Sign-in at an OpenID Connect provider: whose token is accepted, and which answers of a provider are refused."""

import base64
import re
from contextlib import asynccontextmanager
from datetime import timedelta

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography.hazmat.primitives.asymmetric import rsa
from fakes.openid_provider import CLIENT, SECRET, callback, openid_provider
from structlog.testing import capture_logs
from unit.operator.console.conftest import Readers

from prunella_operator import clock
from prunella_operator.config.settings import Settings
from prunella_operator.console.app import Console
from prunella_operator.console.serve import make_provider
from prunella_workflows.model.errors import Forbidden, InvalidInputError


@pytest.fixture
async def provider(authority):
    async with openid_provider(authority) as served:
        yield served


@pytest.fixture
def settings(provider, authority, tmp_path):
    """The settings of a confidential client."""
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    return {
        "console_url": "http://console.example.org",
        "console_oidc_issuer": provider.url,
        "console_oidc_client_id": CLIENT,
        "console_oidc_client_secret_file": str(tmp_path / "secret"),
        "console_oidc_ca_file": str(authority.path),
    }


@asynccontextmanager
async def browsing(readers, settings):
    console = Console(readers, list, lambda *_: "", anonymous=False, provider=make_provider(Settings(**settings)))
    async with TestClient(TestServer(console.app())) as client:
        yield client


@pytest.fixture
async def readers():
    return Readers()


@pytest.fixture
async def browser(readers, settings):
    async with browsing(readers, settings) as client:
        yield client


async def begin(browser, back="/"):
    """The address of the provider to which a browser is sent."""
    response = await browser.get("/oidc/login", params={"back": back}, allow_redirects=False)
    assert response.status == 303
    return response.headers["Location"]


async def sign_in(browser, provider, back="/", **changes):
    answer = {**provider.consent(await begin(browser, back)), **changes}
    return await browser.get(callback(answer), allow_redirects=False)


async def refused(response, status=401):
    """The reason on the page of a sign-in that failed."""
    page = await response.text()
    assert response.status == status, page
    assert "prunella_session" not in response.cookies
    assert "Try again" in page
    return re.search(r"Sign-in failed: ([^<]*)", page)[1]


async def test_a_user_signs_in_at_the_provider_with_their_id_token(browser, provider, readers):
    response = await sign_in(browser, provider)
    assert (response.status, response.headers["Location"]) == (303, "/")
    (token,) = {token for token in readers.tokens if token}
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (claims["sub"], claims["aud"]) == ("alice", CLIENT)
    assert "Sign out" in await (await browser.get("/")).text()


async def test_the_secret_of_the_client_goes_to_the_token_endpoint_only(browser, provider):
    address = await begin(browser)
    await browser.get(callback(provider.consent(address)), allow_redirects=False)
    ((headers, form),) = provider.asked
    pair = base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode()
    assert pair == f"{CLIENT}:s3cr3t%20of%3Athe%20client"
    assert "client_secret" not in form
    assert "s3cr3t" not in address


async def test_a_provider_without_basic_authentication_gets_the_secret_in_the_form(browser, provider):
    provider.configured = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    await sign_in(browser, provider)
    ((headers, form),) = provider.asked
    assert "Authorization" not in headers
    assert (form["client_id"], form["client_secret"]) == (CLIENT, SECRET)


async def test_a_public_client_proves_itself_by_the_verifier_alone(readers, provider, settings):
    del settings["console_oidc_client_secret_file"]
    async with browsing(readers, settings) as browser:
        assert (await sign_in(browser, provider)).status == 303
    ((headers, form),) = provider.asked
    assert "Authorization" not in headers
    assert form["client_id"] == CLIENT


async def test_the_address_of_the_provider_reveals_neither_verifier_nor_cookie(browser, provider):
    response = await browser.get("/oidc/login", allow_redirects=False)
    address, cookie = response.headers["Location"], response.cookies["prunella_sign_in"]
    assert (cookie["httponly"], cookie["samesite"], cookie["max-age"]) == (True, "Lax", "600")
    await browser.get(callback(provider.consent(address)), allow_redirects=False)
    assert provider.asked[0][1]["code_verifier"] not in address
    assert cookie.value not in address


@pytest.mark.parametrize(
    ("back", "target"),
    [
        ("/incidents/shop/checkout-1", "/incidents/shop/checkout-1"),
        ("/answers/abc.DEF-_", "/answers/abc.DEF-_"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/answers/a/../../logout", "/"),
        ("/oidc/login", "/"),
    ],
)
async def test_people_come_back_to_our_pages_only(browser, provider, back, target):
    assert (await sign_in(browser, provider, back)).headers["Location"] == target
    response = await browser.post("/login", data={"token": "t", "back": back}, allow_redirects=False)
    assert response.headers["Location"] == target


async def test_an_answer_with_another_state_is_refused(browser, provider, readers):
    assert "did not begin it" in await refused(await sign_in(browser, provider, state="x"))
    assert (provider.asked, readers.tokens) == ([], [])


async def test_an_answer_to_another_browser_is_refused(browser, readers, provider, settings):
    answer = provider.consent(await begin(browser))
    async with browsing(readers, settings) as other:
        assert "did not begin it" in await refused(await other.get(callback(answer), allow_redirects=False))
        await begin(other)
        assert "did not begin it" in await refused(await other.get(callback(answer), allow_redirects=False))
    assert provider.asked == []


async def test_a_sign_in_is_finished_once_and_within_ten_minutes(browser, provider, monkeypatch):
    answer = provider.consent(await begin(browser))
    assert (await browser.get(callback(answer), allow_redirects=False)).status == 303
    assert "did not begin it" in await refused(await browser.get(callback(answer), allow_redirects=False))
    answer, now = provider.consent(await begin(browser)), clock.now()
    monkeypatch.setattr("prunella_operator.clock.now", lambda: now + timedelta(minutes=10))
    assert "ten minutes" in await refused(await browser.get(callback(answer), allow_redirects=False))
    assert len(provider.asked) == 1


async def test_a_code_that_was_used_is_refused_by_the_provider(browser, provider):
    used = provider.consent(await begin(browser))
    await browser.get(callback(used), allow_redirects=False)
    reason = await refused(await sign_in(browser, provider, code=used["code"]))
    assert "refuses: invalid_grant" in reason
    assert "canary" not in reason


async def test_a_code_of_another_sign_in_is_refused_by_its_challenge(browser, provider):
    stolen = provider.consent(await begin(browser))
    assert "invalid_grant" in await refused(await sign_in(browser, provider, code=stolen["code"]))


async def test_an_error_of_the_provider_is_named(browser, provider):
    reason = await refused(await sign_in(browser, provider, error="access_denied<b>"))
    assert "access_denied&lt;b&gt;" in reason


async def test_an_answer_of_another_provider_is_refused(browser, provider):
    assert "another provider" in await refused(await sign_in(browser, provider, iss="https://other.example"))


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"nonce": "of another sign-in"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "another-client"}, "Audience"),
        ({"aud": [CLIENT, "other"], "azp": "other"}, "azp"),
        ({"iss": "https://other.example"}, "issuer"),
        ({"exp": 1_700_000_000}, "expired"),
        ({"exp": None}, "exp"),
        ({"sub": None}, "sub"),
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(browser, provider, readers, claims, words):
    provider.claims = claims
    assert words in await refused(await sign_in(browser, provider))
    assert readers.tokens == []


@pytest.mark.parametrize(
    "sign",
    [
        lambda claims: jwt.encode(claims, None, algorithm="none"),
        lambda claims: jwt.encode(claims, None, algorithm="none", headers={"kid": "one"}),
        lambda claims: jwt.encode(claims, "k" * 32, algorithm="HS256", headers={"kid": "one"}),
        lambda claims: jwt.encode(
            claims, rsa.generate_private_key(65537, 2048), algorithm="RS256", headers={"kid": "one"}
        ),
        lambda _: "no token",
        lambda _: None,
    ],
    ids=["unsigned", "unsigned with a key's name", "shared secret", "foreign key", "text", "missing"],
)
async def test_a_token_without_the_providers_signature_is_refused(browser, provider, readers, sign):
    provider.sign = sign
    await refused(await sign_in(browser, provider))
    assert readers.tokens == []


@pytest.mark.parametrize(
    ("configured", "words"),
    [
        ({"issuer": "https://other.example"}, "another issuer"),
        ({"token_endpoint": "http://plain.example/token"}, "without TLS"),
        ({"jwks_uri": "file:///etc/passwd"}, "without TLS"),
        ({"authorization_endpoint": ""}, "no authorization_endpoint"),
        ({"jwks_uri": None}, "no OpenID configuration"),
    ],
)
async def test_a_provider_with_a_wrong_configuration_is_not_asked(browser, provider, configured, words):
    provider.configured = configured
    assert words in await refused(await browser.get("/oidc/login", allow_redirects=False), 503)


async def test_a_provider_that_is_away_is_named_and_tokens_still_work(readers, settings):
    settings["console_oidc_issuer"] = "https://localhost:1"
    async with browsing(readers, settings) as browser:
        response = await browser.get("/oidc/login", allow_redirects=False)
        assert "https://localhost:1 does not answer" in await refused(response, 503)
        assert (await browser.post("/login", data={"token": "t"}, allow_redirects=False)).status == 303


async def test_a_provider_that_fails_at_the_exchange_is_no_refusal(browser, provider):
    provider.refusal = web.Response(status=502, text="canary")
    assert "status 502" in await refused(await sign_in(browser, provider), 503)


async def test_a_certificate_of_another_authority_is_refused(readers, settings):
    del settings["console_oidc_ca_file"]
    async with browsing(readers, settings) as browser:
        response = await browser.get("/oidc/login", allow_redirects=False)
        assert "CERTIFICATE_VERIFY_FAILED" in await refused(response, 503)


async def test_a_token_that_the_api_server_rejects_opens_no_session(browser, provider, readers, monkeypatch):
    def reject():
        raise Forbidden("Unauthorized")

    monkeypatch.setattr(readers.own, "whoami", reject)
    assert f"same issuer and client id ({CLIENT})" in await refused(await sign_in(browser, provider))


async def test_a_session_ends_with_its_token(browser, provider, monkeypatch):
    response = await sign_in(browser, provider)
    assert 290 <= int(response.cookies["prunella_session"]["max-age"]) <= 300
    now = clock.now()
    monkeypatch.setattr("prunella_operator.clock.now", lambda: now + timedelta(minutes=5))
    assert (await browser.get("/", allow_redirects=False)).headers["Location"] == "/login"


async def test_a_session_lasts_eight_hours_at_most(browser, provider):
    provider.claims = {"exp": clock.now() + timedelta(days=7)}
    assert (await sign_in(browser, provider)).cookies["prunella_session"]["max-age"] == "28800"


async def test_signing_out_ends_the_session(browser, provider):
    await sign_in(browser, provider)
    await browser.post("/logout")
    assert (await browser.get("/", allow_redirects=False)).headers["Location"] == "/login"


async def test_the_log_has_no_token_code_or_secret(browser, provider, readers):
    with capture_logs() as lines:
        answer = provider.consent(await begin(browser))
        await browser.get(callback(answer), allow_redirects=False)
        provider.claims = {"aud": "other"}
        await refused(await sign_in(browser, provider))
    assert any(line["event"] == "sign-in failed" for line in lines)
    for secret in (answer["code"], answer["state"], SECRET, *filter(None, readers.tokens)):
        assert secret not in str(lines)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"console_oidc_issuer": "http://sso.example.org"}, "console_oidc_issuer must begin with https"),
        ({"console_oidc_client_id": None}, "console_oidc_client_id"),
        ({"console_url": None}, "console_url"),
        ({"console_oidc_scopes": "email"}, "console_oidc_scopes must contain openid"),
        ({"console_oidc_client_secret_file": "/nowhere"}, "console_oidc_client_secret_file cannot be read: No such"),
        ({"console_oidc_ca_file": "/nowhere"}, "console_oidc_ca_file cannot be used: No such"),
        ({"console_oidc_ca_file": "/dev/null"}, "console_oidc_ca_file cannot be used"),
    ],
)
def test_a_wrong_setting_is_named(changes, words):
    valid = {
        "console_url": "https://prunella.example.org",
        "console_oidc_issuer": "https://sso.example.org",
        "console_oidc_client_id": "prunella",
    }
    assert make_provider(Settings(**valid)).redirect_url == "https://prunella.example.org/oidc/callback"
    with pytest.raises(InvalidInputError, match=words):
        make_provider(Settings(**{**valid, **changes}))


def test_without_an_issuer_there_is_no_provider():
    assert make_provider(Settings()) is None


async def test_a_console_without_a_provider_offers_none(browse):
    assert "/oidc/login" not in await (await browse.get("/login")).text()
    assert (await browse.get("/oidc/login")).status == 404
