"""The codec server over HTTP: who may decrypt what, from which pages, and what is said and logged."""

import base64
import io
import secrets
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import jwt
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa
from google.protobuf import json_format
from structlog.testing import capture_logs
from temporalio.api.common.v1 import Payload, Payloads

from prunella_operator import clock
from prunella_operator.codec_server.serve import create_server, serve_codec
from prunella_operator.config.settings import Settings
from prunella_operator.http_server import CannotListen
from prunella_operator.temporal.payload_codec import EncryptionCodec, KeyFile, KeyFileError
from prunella_workflows.model.errors import InvalidInputError

TOKEN, PAGE, AUDIENCE = "correct-horse-battery-staple", "https://temporal.example.org", "temporal"
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"canary"')
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def keys(tmp_path):
    path = tmp_path / "keys"
    path.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    return path


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(TOKEN)
    return path


@pytest.fixture
async def sealed(keys):
    return await EncryptionCodec(KeyFile(keys)).encode([PLAIN])


@asynccontextmanager
async def listening(app):
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def serving(keys, **settings):
    server = create_server(Settings(payload_key_file=str(keys), **settings))
    async with listening(server.app()) as url, aiohttp.ClientSession(url) as session:
        yield session


async def post(session, payloads, headers=BEARER, path="/decode"):
    """The status, and the payloads or the text of the answer."""
    body = json_format.MessageToJson(Payloads(payloads=payloads))
    async with session.post(path, data=body, headers={"Content-Type": "application/json", **headers}) as answer:
        text = await answer.text()
        found = list(json_format.Parse(text, Payloads()).payloads) if answer.status == 200 else text
        return answer.status, found


async def test_what_is_encrypted_is_decoded_and_the_rest_stays(keys, tokens, sealed):
    async with serving(keys, codec_token_file=str(tokens)) as session:
        assert await post(session, [*sealed, PLAIN]) == (200, [PLAIN, PLAIN])


@pytest.mark.parametrize("authorization", ["", "Bearer", f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer a.b.c"])
async def test_without_a_token_nothing_is_decoded(keys, tokens, sealed, authorization):
    async with serving(keys, codec_token_file=str(tokens)) as session:
        status, text = await post(session, sealed, {"Authorization": authorization})
        assert (status, text) == (401, "")


async def test_encoding_must_be_asked_for(keys, tokens):
    async with serving(keys, codec_token_file=str(tokens)) as session:
        assert (await post(session, [PLAIN], path="/encode"))[0] == 404
    async with serving(keys, codec_token_file=str(tokens), codec_encode=True) as session:
        status, made = await post(session, [PLAIN], path="/encode")
        assert (status, made[0].metadata["encoding"]) == (200, b"binary/encrypted")
        assert (await post(session, made))[1] == [PLAIN]
        assert (await post(session, [PLAIN], {}, path="/encode"))[0] == 401


async def test_browsers_may_call_from_the_web_page_only(keys, tokens, sealed):
    async with serving(keys, codec_token_file=str(tokens), codec_origins=PAGE) as session:
        asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
        async with session.options("/decode", headers=asks) as answer:
            assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, PAGE)
            assert {"authorization", "x-namespace"} <= set(answer.headers["Access-Control-Allow-Headers"].split(", "))
        assert (await post(session, sealed, {**BEARER, "Origin": PAGE}))[0] == 200
        for other in ("https://evil.example.org", f"{PAGE}.evil.org", "null", PAGE.upper()):
            assert (await post(session, sealed, {**BEARER, "Origin": other}))[0] == 403
            async with session.options("/decode", headers={**asks, "Origin": other}) as answer:
                assert answer.status == 403
                assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("body", ["", "{", "null", '{"payloads": 1}', '{"other": []}', b"\xff"])
async def test_what_is_no_request_is_not_quoted(keys, tokens, body):
    async with (
        serving(keys, codec_token_file=str(tokens)) as session,
        session.post("/decode", data=body, headers=BEARER) as answer,
    ):
        assert answer.status == 400
        assert (await answer.text()).startswith("expected")


async def test_a_missing_key_is_named_by_its_id(keys, tokens, sealed):
    keys.write_text(base64.b64encode(secrets.token_bytes(32)).decode())
    async with serving(keys, codec_token_file=str(tokens)) as session:
        status, text = await post(session, sealed)
        assert status == 422
        assert sealed[0].metadata["encryption-key-id"].decode() in text


async def test_a_body_that_is_too_large(keys, tokens):
    async with (
        serving(keys, codec_token_file=str(tokens)) as session,
        session.post("/decode", data=io.BytesIO(b" " * (17 << 20)), headers=BEARER) as answer,
    ):
        assert answer.status == 413


async def test_the_log_has_the_caller_and_no_secret(keys, tokens, sealed):
    with capture_logs() as lines:
        async with serving(keys, codec_token_file=str(tokens)) as session:
            await post(session, sealed)
            tokens.unlink()
            assert (await post(session, sealed))[0] == 503
    converted = next(line for line in lines if line["event"] == "converted")
    assert (converted["caller"], converted["payloads"], converted["path"]) == ("token file", 1, "/decode")
    assert any(str(tokens) in line.get("error", "") for line in lines)
    assert TOKEN not in str(lines)
    assert "canary" not in str(lines)


class Issuer:
    """An OpenID provider as far as its tokens are concerned."""

    def __init__(self):
        self._key = rsa.generate_private_key(65537, 2048)
        self.url = ""

    def app(self):
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/keys", self._keys)
        return app

    def token(self, key=None, **changes):
        now = clock.now()
        claims = {"iss": self.url, "aud": AUDIENCE, "sub": "ann", "exp": now + timedelta(minutes=5), **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, key or self._key, algorithm="RS256", headers={"kid": "one"})

    async def _configuration(self, _request):
        return web.json_response({"issuer": self.url, "jwks_uri": f"{self.url}/keys"})

    async def _keys(self, _request):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        return web.json_response({"keys": [{**public, "kid": "one", "use": "sig"}]})


@asynccontextmanager
async def serving_with_issuer(keys):
    issuer = Issuer()
    async with listening(issuer.app()) as issuer.url:
        settings = {"codec_oidc_issuer": issuer.url, "codec_oidc_audience": AUDIENCE}
        async with serving(keys, **settings) as session:
            yield session, issuer


async def test_a_token_of_the_issuer_decodes_and_its_subject_is_logged(keys, sealed):
    async with serving_with_issuer(keys) as (session, issuer):
        with capture_logs() as lines:
            assert (await post(session, sealed, {"Authorization": f"Bearer {issuer.token()}"})) == (200, [PLAIN])
        assert lines[-1]["caller"] == "ann"


async def test_other_tokens_of_the_issuer_do_not(keys, sealed):
    async with serving_with_issuer(keys) as (session, issuer):
        forged = issuer.token(rsa.generate_private_key(65537, 2048))
        wrong = [{"aud": "other"}, {"iss": "http://evil"}, {"exp": clock.now() - timedelta(hours=1)}, {"exp": None}]
        unsigned = jwt.encode({"iss": issuer.url, "aud": AUDIENCE, "sub": "ann"}, None, algorithm="none")
        shared = jwt.encode({"iss": issuer.url, "aud": AUDIENCE, "sub": "ann"}, "k" * 32, algorithm="HS256")
        for token in (forged, unsigned, shared, "", "a.b.c", *(issuer.token(**change) for change in wrong)):
            assert (await post(session, sealed, {"Authorization": f"Bearer {token}"}))[0] == 401


async def test_an_issuer_that_is_away_is_no_refusal(keys, sealed):
    async with serving(keys, codec_oidc_issuer="http://127.0.0.1:1", codec_oidc_audience=AUDIENCE) as session:
        assert (await post(session, sealed, {"Authorization": f"Bearer {Issuer().token()}"}))[0] == 503


async def test_the_configuration_of_another_issuer_is_not_trusted(keys, sealed):
    async with serving_with_issuer(keys) as (session, issuer):
        token, issuer.url = issuer.token(), "https://other.example.org"
        assert (await post(session, sealed, {"Authorization": f"Bearer {token}"}))[0] == 503


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "payload_key_file"),
        ({"payload_key_file": True}, "codec_token_file or codec_oidc_issuer"),
        ({"payload_key_file": True, "codec_oidc_issuer": "https://sso.example.org"}, "codec_oidc_audience"),
    ],
)
def test_it_does_not_start_without_keys_or_tokens(keys, settings, words):
    given = {name: str(keys) if value is True else value for name, value in settings.items()}
    with pytest.raises(InvalidInputError, match=words):
        create_server(Settings(**given))


def test_keys_that_cannot_be_read_are_named(tmp_path, tokens):
    with pytest.raises(KeyFileError, match="gone"):
        create_server(Settings(payload_key_file=str(tmp_path / "gone"), codec_token_file=str(tokens)))


async def test_a_used_port_is_named(keys, tokens):
    async with listening(web.Application()) as other:
        port = int(other.rpartition(":")[2])
        settings = Settings(payload_key_file=str(keys), codec_token_file=str(tokens), codec_port=port)
        with pytest.raises(CannotListen, match=f"127.0.0.1:{port}.*codec_port"):
            await serve_codec(settings)
