"""An OpenID Connect provider on loopback, by TLS. It consents to everything; a test spoils what it signs."""

import base64
import hashlib
import secrets
import ssl
from contextlib import asynccontextmanager
from datetime import timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from prunella_operator import clock

CLIENT, SECRET = "prunella-console", "s3cr3t of:the client"
_KEY = rsa.generate_private_key(65537, 2048)


class OpenIdProvider:
    """`claims` change those of the next tokens (None: left out), `sign` replaces the signature, `configured` changes
    the configuration. `refusal` is an error that the token endpoint answers with."""

    def __init__(self):
        self.url = ""
        self.claims = {}
        self.configured = {}
        self.refusal = None
        self.asked = []
        self.sign = self.signed
        self._codes = {}

    def app(self):
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._configuration)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        return app

    def consent(self, address):
        """Consent as the browser does at the authorization endpoint; the query of the answer."""
        query = dict(parse_qsl(urlsplit(address).query))
        assert address.startswith(f"{self.url}/authorize?")
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT)
        assert (query["code_challenge_method"], query["scope"]) == ("S256", "openid email profile")
        code = secrets.token_urlsafe(16)
        self._codes[code] = query
        return {"code": code, "state": query["state"], "iss": self.url}

    @staticmethod
    def signed(claims):
        return jwt.encode(claims, _KEY, algorithm="RS256", headers={"kid": "one"})

    async def _configuration(self, _request):
        paths = {"jwks_uri": "keys", "authorization_endpoint": "authorize", "token_endpoint": "token"}
        own = {name: f"{self.url}/{path}" for name, path in paths.items()}
        return web.json_response({"issuer": self.url, **own, **self.configured})

    async def _keys(self, _request):
        public = jwt.algorithms.RSAAlgorithm.to_jwk(_KEY.public_key(), as_dict=True)
        return web.json_response({"keys": [{**public, "kid": "one", "use": "sig"}]})

    async def _token(self, request):
        form = dict(await request.post())
        self.asked.append((dict(request.headers), form))
        if self.refusal is not None:
            return self.refusal
        begun = self._codes.pop(form["code"], None)
        challenge = hashlib.sha256(form["code_verifier"].encode()).digest()
        proof = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        if begun is None or (proof, form["redirect_uri"]) != (begun["code_challenge"], begun["redirect_uri"]):
            return web.json_response({"error": "invalid_grant", "error_description": "canary"}, status=400)
        return web.json_response({"access_token": "opaque", "id_token": self.sign(self._claims(begun["nonce"]))})

    def _claims(self, nonce):
        usual = {"iss": self.url, "aud": CLIENT, "sub": "alice", "exp": clock.now() + timedelta(minutes=5)}
        claims = {**usual, "nonce": nonce, **self.claims}
        return {name: value for name, value in claims.items() if value is not None}


@asynccontextmanager
async def openid_provider(authority):
    provider = OpenIdProvider()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("provider"))
    runner = web.AppRunner(provider.app(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    provider.url = f"https://localhost:{runner.addresses[0][1]}"
    try:
        yield provider
    finally:
        await runner.cleanup()


def callback(answer):
    """The console's address with the provider's answer."""
    return f"/oidc/callback?{urlencode(answer)}"
