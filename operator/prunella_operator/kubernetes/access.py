"""How to reach an API server: address, TLS files and an always fresh token, from a kubeconfig or from inside a pod.

Reads files only when asked, so a token or certificate that was rotated is used at the next connection.
An SSL context is made anew only when a file changed, because aiohttp uses a connection again for the same context only.
It sends nothing itself and must not import the models of the kubernetes package (see `rest.py` for why).
"""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from yaml import YAMLError

from prunella_workflows.model.errors import Permanent, Unavailable

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SERVICE_HOST, _SERVICE_PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_HOME_CONFIG = "~/.kube/config"


class NoAccess(Permanent):
    """No API server is configured, or what is configured makes no sense."""


class RequestOptions(TypedDict):
    """What every aiohttp request to the API server takes; see `Access.options`."""

    headers: dict[str, str]
    ssl: ssl.SSLContext | bool
    server_hostname: str | None
    proxy: str | None


Stamp = tuple[tuple[int, int, int], ...]  # modification time, inode and size of each TLS file


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
    _contexts: dict[Stamp, ssl.SSLContext] = field(default_factory=dict, init=False, repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        """The headers of a request made now. May block: an exec plugin of a kubeconfig is run when its token ends."""
        try:
            authorization = self.authorization()
        except (OSError, ValueError) as error:
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
            stamp = self._stamp()
            context = self._contexts.get(stamp) or self._new_context()
        except OSError as error:
            raise Unavailable(f"cannot read the TLS files for {self.server}: {error}") from error
        if stamp not in self._contexts:
            self._contexts.clear()
        return self._contexts.setdefault(stamp, context)

    def _stamp(self) -> Stamp:
        files = [Path(path).stat() for path in (self.ca_path, self.cert_path, self.key_path) if path]
        return tuple((file.st_mtime_ns, file.st_ino, file.st_size) for file in files)

    def _new_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_path)
        if self.cert_path:
            context.load_cert_chain(self.cert_path, self.key_path)
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
        if not kubeconfig and not context and _SERVICE_HOST in environ:
            return _from_pod(environ, account)
    except (YAMLError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoAccess(f"cannot use {paths if found else 'the service account of this pod'}: {error}") from error
    raise NoAccess(
        f"no API server is configured: there is no file {paths}. Give --kubeconfig, set KUBECONFIG, "
        "or run inside a pod with a service account"
    )


def _from_kubeconfig(paths: str, context: str | None) -> Access:
    # Imported here: the loader brings 14 MiB of other libraries, which an operator in a pod does without.
    from kubernetes.client import Configuration  # noqa: PLC0415
    from kubernetes.config import ConfigException, kube_config  # noqa: PLC0415

    loaders: Any = kube_config  # carries no types
    try:
        config = loaders.KubeConfigMerger(paths).config
        if config is None:
            raise ValueError("the file is empty")
        name = context or config["current-context"]
        if not config["contexts"].get_with_name(name, safe=True):
            raise ValueError(f"it has no context named {name!r}")
        chosen = config["contexts"].get_with_name(name)["context"]
        configuration = Configuration()
        loader = loaders.KubeConfigLoader(config_dict=config, active_context=name, config_base_path=None)
        loader.load_and_set(configuration)
    except ConfigException as error:
        raise ValueError(f"{error}") from error
    return _from_configuration(
        configuration, chosen.safe_get("namespace") or "default", _token_file(config, chosen.safe_get("user"))
    )


def _token_file(config: Any, user: str | None) -> Path | None:
    """The user's token file. The kubernetes package reads it once only, and a rotated token would lock us out."""
    node: Any = config["users"].get_with_name(user, safe=True) if user else None
    settings = (node.safe_get("user") if node else None) or {}
    if settings.get("token") or not settings.get("tokenFile"):
        return None
    return Path(str(node.path)).parent / str(settings["tokenFile"])


def _from_configuration(configuration: Any, namespace: str, token_file: Path | None) -> Access:
    def authorization() -> str:
        from kubernetes.config import ConfigException  # noqa: PLC0415 - see above

        try:
            return configuration.get_api_key_with_prefix("BearerToken", alias="authorization") or ""
        except ConfigException as error:
            raise ValueError(f"{error}") from error

    return Access(
        server=configuration.host.rstrip("/"),
        ca_path=configuration.ssl_ca_cert,
        cert_path=configuration.cert_file,
        key_path=configuration.key_file,
        insecure=not configuration.verify_ssl,
        tls_server_name=configuration.tls_server_name,
        proxy=configuration.proxy,
        namespace=namespace,
        authorization=_bearer(token_file) if token_file else authorization,
    )


def _from_pod(environ: Mapping[str, str], account: Path) -> Access:
    """The service account that the kubelet mounts; its token changes every hour and is read at every call."""
    host, port = environ[_SERVICE_HOST], environ[_SERVICE_PORT]
    token, authority = account / "token", account / "ca.crt"
    for file in (token, authority):
        if not file.read_text().strip():
            raise ValueError(f"{file} is empty")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=str(authority),
        namespace=(account / "namespace").read_text().strip(),
        authorization=_bearer(token),
    )


def _bearer(file: Path) -> Callable[[], str]:
    return lambda: f"Bearer {file.read_text().strip()}"
