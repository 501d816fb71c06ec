"""The credentials of a client of Temporal, and how it knows the server: API key, metadata and TLS."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from temporalio.envconfig import ClientConfigTLS, DataSource
from temporalio.service import TLSConfig

from prunella_operator.config.settings import Settings
from prunella_operator.config.temporal_profile import load_profile
from prunella_workflows.model.errors import Permanent


class TlsFileError(Permanent):
    """A certificate or key cannot be used; the message names its variable and file, and contains no key."""


@dataclass(frozen=True)
class Credentials:
    """The arguments of a connection."""

    tls: bool | TLSConfig = field(default=False, repr=False)
    api_key: str | None = field(default=None, repr=False)
    metadata: Mapping[str, str] = field(default_factory=dict, repr=False)


def find_credentials(settings: Settings) -> Credentials:
    """Read settings and Temporal's profile; the embedded server gets nothing. An API key is never sent without TLS.

    Raises:
        ProfileError: Temporal's own configuration is invalid.
        TlsFileError: a certificate or key is.
    """
    if settings.embedded:
        return Credentials()
    profile = load_profile(os.environ)
    key = settings.temporal_api_key.get_secret_value() if settings.temporal_api_key else None
    encrypted = settings.temporal_tls or key is not None
    tls = _read_tls(profile.tls or ClientConfigTLS()) if encrypted else False
    return Credentials(tls, key, profile.grpc_meta)


def _read_tls(profile: ClientConfigTLS) -> TLSConfig:
    ca = _read(profile.server_root_ca_cert, "SERVER_CA_CERT")
    certificate = _read(profile.client_cert, "CLIENT_CERT")
    key = _read(profile.client_private_key, "CLIENT_KEY")
    if ca is not None:
        _check_certificates(ca, _place(profile.server_root_ca_cert, "SERVER_CA_CERT"))
    if (certificate is None) is not (key is None):
        missing = "CLIENT_KEY" if key is None else "CLIENT_CERT"
        raise TlsFileError(f"a client certificate and its key belong together: set {_place(None, missing)} too")
    if certificate is not None and key is not None:
        where = _place(profile.client_cert, "CLIENT_CERT"), _place(profile.client_private_key, "CLIENT_KEY")
        _check_pair(certificate, key, *where)
    return TLSConfig(ca, profile.server_name, certificate, key)


def _place(source: DataSource | None, name: str) -> str:
    """The variable, and the key of a profile, that name a source; with its path, if it is a file."""
    kind = "data" if isinstance(source, (str, bytes)) else "path"
    place = f"TEMPORAL_TLS_{name}_{kind.upper()} (in a profile: tls.{name.lower()}_{kind})"
    return f"{place}, {source}" if isinstance(source, Path) else place


def _read(source: DataSource | None, name: str) -> bytes | None:
    if not isinstance(source, Path):
        return source.encode() if isinstance(source, str) else source
    try:
        return source.read_bytes()
    except OSError as error:
        raise TlsFileError(f"{_place(source, name)}: {error.strerror}") from None


def _check_certificates(pem: bytes, place: str) -> None:
    from cryptography import x509  # noqa: PLC0415 - processes without TLS do not pay for it

    try:
        x509.load_pem_x509_certificates(pem)
    except ValueError:
        raise TlsFileError(f"{place}: expected PEM certificates") from None


def _check_pair(certificate: bytes, key: bytes, certificate_place: str, key_place: str) -> None:
    from cryptography import x509  # noqa: PLC0415 - see above
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    _check_certificates(certificate, certificate_place)
    try:
        private = load_pem_private_key(key, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        raise TlsFileError(f"{key_place}: expected a PEM private key without a passphrase") from None
    if private.public_key() != x509.load_pem_x509_certificates(certificate)[0].public_key():
        raise TlsFileError(f"{key_place}: it is not the key of the certificate in {certificate_place}")
