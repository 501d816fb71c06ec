"""Address and credentials of an API server, from a kubeconfig or from inside a pod.

Files are read for each connection, so that rotated tokens and certificates are used. An SSL context is re-created only
when a file changed, because aiohttp reuses connections only for the same context.
"""

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from yaml import YAMLError

from prunella_workflows.model.errors import Permanent, Unavailable

_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SERVICE_HOST, _SERVICE_PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"
_DEFAULT_KUBECONFIG = "~/.kube/config"


class NoAccess(Permanent):
    """No API server is configured, or its configuration is invalid."""


class RequestOptions(TypedDict):
    """Options of every aiohttp request to the API server; see `Access.options`."""

    headers: dict[str, str]
    ssl: ssl.SSLContext | bool
    server_hostname: str | None
    proxy: str | None


Stamp = tuple[tuple[int, int, int], ...]  # modification time, inode and size of each TLS file


@dataclass(frozen=True, slots=True)
class Access:
    """An API server and our credentials. `authorization` returns the current value of the header."""

    server: str
    ca_path: str | None = None
    cert_path: str | None = None
    key_path: str | None = None
    insecure: bool = False
    tls_server_name: str | None = None
    proxy: str | None = None
    namespace: str = "default"
    authorization: Callable[[], str] = field(default=str, repr=False)  # by default "", for anonymous access
    _contexts: dict[Stamp, ssl.SSLContext] = field(default_factory=dict, init=False, repr=False, compare=False)

    def headers(self) -> dict[str, str]:
        """The headers of a request made now. May block: a kubeconfig's exec plugin runs when its token expires."""
        try:
            authorization = self.authorization()
        except (OSError, ValueError) as error:
            # A token file is missing for a moment while it is being replaced.
            raise Unavailable(f"cannot read the credentials for {self.server}: {error}") from error
        return {"Authorization": authorization} if authorization else {}

    def credentials(self) -> tuple[str, str] | None:
        """The current scheme and token (`("Bearer", "ey...")`), or None where a certificate is used."""
        scheme, _, token = self.headers().get("Authorization", "").partition(" ")
        return (scheme.capitalize(), token) if token else None

    def ssl_context(self) -> ssl.SSLContext | None:
        """The TLS settings of the current files; None for plain HTTP."""
        if not self.server.startswith("https:"):
            return None
        try:
            stamp = self._stamp()
            context = self._contexts.get(stamp) or self._create_context()
        except OSError as error:
            raise Unavailable(f"cannot read the TLS files for {self.server}: {error}") from error
        if stamp not in self._contexts:
            self._contexts.clear()
        return self._contexts.setdefault(stamp, context)

    def _stamp(self) -> Stamp:
        files = [Path(path).stat() for path in (self.ca_path, self.cert_path, self.key_path) if path]
        return tuple((file.st_mtime_ns, file.st_ino, file.st_size) for file in files)

    def _create_context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca_path)
        if self.cert_path:
            context.load_cert_chain(self.cert_path, self.key_path)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def options(self) -> RequestOptions:
        """The options of an aiohttp request. Reads files: call it in a thread."""
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
    account: Path = _SERVICE_ACCOUNT,
) -> Access:
    """Find the API server: the given kubeconfig or context, else the default kubeconfig, else the pod's own server.

    Raises NoAccess if nothing is configured, or it cannot be used; the message says how to fix it.
    """
    paths = kubeconfig or environ.get("KUBECONFIG") or _DEFAULT_KUBECONFIG
    found = any(Path(path).expanduser().exists() for path in paths.split(os.pathsep) if path)
    try:
        if found:
            return _load_kubeconfig(paths, context)
        if not kubeconfig and not context and _SERVICE_HOST in environ:
            return _load_service_account(environ, account)
    except (YAMLError, OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise NoAccess(f"cannot use {paths if found else 'the service account of this pod'}: {error}") from error
    raise NoAccess(
        f"no API server is configured: there is no file {paths}. Give --kubeconfig, set KUBECONFIG, "
        "or run inside a pod with a service account"
    )


def _load_kubeconfig(paths: str, context: str | None) -> Access:
    # Imported here: the loader pulls in 14 MiB of libraries, which the memory limit of an operator in a pod forbids.
    from kubernetes.client import Configuration  # noqa: PLC0415
    from kubernetes.config import ConfigException, kube_config  # noqa: PLC0415

    loaders: Any = kube_config  # untyped
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
    token_file = _token_file(config, chosen.safe_get("user"))
    return _configured_access(configuration, chosen.safe_get("namespace") or "default", token_file)


def _token_file(config: Any, user: str | None) -> Path | None:
    """The user's token file. The kubernetes package reads it only once, so a rotated token would lock us out."""
    node: Any = config["users"].get_with_name(user, safe=True) if user else None
    settings = (node.safe_get("user") if node else None) or {}
    if settings.get("token") or not settings.get("tokenFile"):
        return None
    return Path(str(node.path)).parent / str(settings["tokenFile"])


def _configured_access(configuration: Any, namespace: str, token_file: Path | None) -> Access:
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
        authorization=_bearer_reader(token_file) if token_file else authorization,
    )


def _load_service_account(environ: Mapping[str, str], account: Path) -> Access:
    """The mounted service account; its token changes every hour and is read for every call."""
    host, port = environ[_SERVICE_HOST], environ[_SERVICE_PORT]
    for file in (token := account / "token", authority := account / "ca.crt"):
        if not file.read_text().strip():
            raise ValueError(f"{file} is empty")
    return Access(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        ca_path=str(authority),
        namespace=(account / "namespace").read_text().strip(),
        authorization=_bearer_reader(token),
    )


def _bearer_reader(file: Path) -> Callable[[], str]:
    return lambda: f"Bearer {file.read_text().strip()}"
