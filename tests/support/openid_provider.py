"""npm's oidc-provider, which is certified by the OpenID Foundation, and people who sign in at it without a browser."""

import re
from pathlib import Path
from urllib.parse import urljoin

import requests
from localcluster.ports import free_ports, listens
from support import npm
from telemetrystack.service import Service

_HERE = Path(__file__).parent / "oidc"
CLIENT, SECRET = "prunella-console", "secret-of-the-console"


class OpenIdProvider(Service):
    """One provider at `url`, with one client that it sends back to `redirect`. `authority` signs its certificate."""

    name = "oidc-provider"

    def __init__(self, authority, redirect: str) -> None:
        self._installed = npm.installed("oidc-provider", _HERE, "provider.mjs")
        super().__init__()
        self._port, self._redirect = free_ports(1)[0], redirect
        self._certificate = [str(path) for path in authority.issue("openid-provider")]
        self.url = f"https://localhost:{self._port}"

    def prepare(self) -> None:
        """Nothing: it keeps no files."""

    def command(self) -> list[str]:
        """Node with the script."""
        arguments = [self.url, str(self._port), *self._certificate, CLIENT, SECRET, self._redirect]
        return ["node", str(self._installed / "provider.mjs"), *arguments]

    def answers(self) -> bool:
        """It listens."""
        return listens(self._port)


class Person:
    """A browser without a window. `authority` is trusted."""

    def __init__(self, authority) -> None:
        self.http = requests.Session()
        self.http.verify, self.http.trust_env = str(authority.path), False  # else REQUESTS_CA_BUNDLE wins

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.close()

    def get(self, address: str) -> requests.Response:
        """A page, without following where it leads."""
        return self.http.get(address, allow_redirects=False, timeout=10)

    def post(self, address: str, **form: str) -> requests.Response:
        """Send a form."""
        return self.http.post(address, data=form, allow_redirects=False, timeout=10)

    def sign_in_at_provider(self, address: str, name: str) -> str:
        """Fill in the provider's forms as this person; the address of the console that it leads back to."""
        for form in ({"prompt": "login", "login": name, "password": "any"}, {"prompt": "consent"}):
            address, page = self._follow_to_page(address)
            target = re.search(r'<form[^>]*action="([^"]+)"', page)
            assert target, page
            response = self.post(urljoin(address, target[1]), **form)
            address = urljoin(address, response.headers["Location"])
        return urljoin(address, self.get(address).headers["Location"])

    def _follow_to_page(self, address: str) -> tuple[str, str]:
        response = self.get(address)
        while response.is_redirect:
            address = urljoin(address, response.headers["Location"])
            response = self.get(address)
        response.raise_for_status()
        return address, response.text


def csrf(page: str) -> str:
    """The secret of the form on a page of the console."""
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found, page
    return found[1]
