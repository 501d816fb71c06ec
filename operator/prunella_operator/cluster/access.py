"""How to reach an API server: address, TLS files and an always fresh token, from a kubeconfig or from inside a pod.

Reads files only when asked, so a token or certificate that was rotated is used at the next connection.
It sends nothing itself and must not import the models of the kubernetes package (see `rest.py` for why).
"""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from kubernetes.client import Configuration
from kubernetes.config import ConfigException, incluster_config, kube_config
from yaml import YAMLError

from prunella_workflows.errors import Permanent, Unavailable

# The loaders of the kubernetes package carry no types.
_kube: Any = kube_config
_pod: Any = incluster_config
_ACCOUNT = Path(incluster_config.SERVICE_TOKEN_FILENAME).parent
_HOME_CONFIG = "~/.kube/config"


class NoAccess(Permanent):
    """No API server is configured, or what is configured makes no sense."""


class RequestOptions(TypedDict):
    """What every aiohttp request to the API server takes; see `Access.options`."""

    headers: dict[str, str]
    ssl: ssl.SSLContext | bool
    server_hostname: str | None
    proxy: str | None


def _anonymous() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Access:
    """One API server and who we are there. `authorization` gives the header's value, afresh at every call."""

    server: str
    ca_path: str | None = None
    cert_path: str | None = None
    key_path: str | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy: str | None = None
    namespace: str = "default"
    authorization: Callable[[], str] = field(default=_anonymous, repr=False)

    def headers(self) -> dict[str, str]:
        """The headers of a request made now. May block: an exec plugin of a kubeconfig is run when its token ends."""
        try:
            authorization = self.authorization()
        except (OSError, ConfigException) as error:
            # A token file that is missing while it is being replaced is there again a moment later.
            raise Unavailable(f"cannot read the credentials for {self.server}: {error}") from error
        return {"Authorization": authorization} if authorization else {}

    def credentials(self) -> tuple[str, str] | None:
        """Scheme and token as they are now (`("Bearer", "ey...")`), or None where a certificate is used."""
        scheme, _, token = self.headers().get("Authorization", "").partition(" ")
        return (scheme.capitalize(), token) if token else None

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS settings as the files are now; None for plain HTTP."""
        if not self.server.startswith("https:"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_path)
            if self.cert_path:
                context.load_cert_chain(self.cert_path, self.key_path)
        except OSError as error:
            raise Unavailable(f"cannot read the TLS files for {self.server}: {error}") from error
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def options(self) -> RequestOptions:
        """Everything an aiohttp request needs besides its URL. Reads files: call it in a thread."""
        return {
            "headers": self.headers(),
            "ssl": self.ssl_context() or True,
            "server_hostname": self.tls_server_name,
            "proxy": self.proxy,
        }


def load_access(
    kubeconfig: str | None = None,
    context: str | None = None,
    environ: Mapping[str, str] = os.environ,
    account: Path = _ACCOUNT,
) -> Access:
    """The API server to work with: the kubeconfig or context asked for, else the usual kubeconfig, else our own pod's.

    Raises:
        NoAccess: nothing is configured, or it cannot be used; the message says what to do.
    """
    paths = kubeconfig or environ.get("KUBECONFIG") or _HOME_CONFIG
    found = any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path)
    try:
        if found:
            return _from_kubeconfig(paths, context)
        if not kubeconfig and not context and incluster_config.SERVICE_HOST_ENV_NAME in environ:
            return _from_pod(environ, account)
    except (ConfigException, YAMLError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoAccess(f"cannot use {paths if found else 'the service account of this pod'}: {error}") from error
    raise NoAccess(
        f"no API server is configured: there is no file {paths}. Give --kubeconfig, set KUBECONFIG, "
        "or run inside a pod with a service account"
    )


def _from_kubeconfig(paths: str, context: str | None) -> Access:
    config = _kube.KubeConfigMerger(paths).config
    if config is None:
        raise ConfigException("the file is empty")
    name = context or config["current-context"]
    if not config["contexts"].get_with_name(name, safe=True):
        raise ConfigException(f"it has no context named {name!r}")
    chosen = config["contexts"].get_with_name(name)["context"]
    configuration = Configuration()
    _kube.KubeConfigLoader(config_dict=config, active_context=name, config_base_path=None).load_and_set(configuration)
    token_file = _token_file(config, chosen.safe_get("user"))
    return _access(configuration, chosen.safe_get("namespace") or "default", token_file)


def _token_file(config: Any, user: str | None) -> Path | None:
    """The user's token file. The kubernetes package reads it once only, and a rotated token would lock us out."""
    node: Any = config["users"].get_with_name(user, safe=True) if user else None
    settings = (node.safe_get("user") if node else None) or {}
    if settings.get("token") or not settings.get("tokenFile"):
        return None
    return Path(str(node.path)).parent / str(settings["tokenFile"])


def _from_pod(environ: Mapping[str, str], account: Path) -> Access:
    configuration, token = Configuration(), account / "token"
    _pod.InClusterConfigLoader(str(token), str(account / "ca.crt"), environ=environ).load_and_set(configuration)
    return _access(configuration, (account / "namespace").read_text().strip(), token)


def _access(configuration: Configuration, namespace: str, token_file: Path | None) -> Access:
    def from_file() -> str:
        assert token_file is not None
        return f"Bearer {token_file.read_text().strip()}"

    def from_configuration() -> str:
        return configuration.get_api_key_with_prefix("BearerToken", alias="authorization") or ""

    return Access(
        server=configuration.host.rstrip("/"),
        ca_path=configuration.ssl_ca_cert,
        cert_path=configuration.cert_file,
        key_path=configuration.key_file,
        insecure=not configuration.verify_ssl,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        namespace=namespace,
        authorization=from_file if token_file else from_configuration,
    )
