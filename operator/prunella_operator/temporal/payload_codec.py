"""Encryption of what Temporal stores: AES-256-GCM with keys from a file, such as a mounted Secret.

The first key of the file encrypts, and each of them decrypts; a payload names its key by an id. The id is derived from
the key, so no two keys can be confused. Payloads that were stored without a key stay readable.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import structlog
from temporalio.api.common.v1 import Payload
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter, DefaultFailureConverterWithEncodedAttributes, PayloadCodec

from prunella_workflows.model.errors import Permanent

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_log = structlog.get_logger("prunella.payloads")

ENCODING = b"binary/encrypted"
_CIPHER = b"AES-256-GCM"
_KEY_LENGTH = 32  # bytes
_NONCE_LENGTH = 12  # bytes; random, which is safe for about 2**32 payloads of one key


class KeyFileError(Permanent):
    """The key file is missing or invalid; the message never contains a key."""


class CannotDecrypt(Permanent):
    """The key of a payload is missing, or the payload was changed."""


def key_id(key: bytes) -> str:
    """The name of a key, which reveals nothing of it."""
    return hashlib.sha256(b"prunella payload key" + key).hexdigest()[:16]


def parse_keys(text: str) -> dict[str, "AESGCM"]:
    """Parse keys by id, in order: base64, one a line; empty lines and comments (#) are ignored. Raises KeyFileError."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - processes without keys do not pay for it

    keys: dict[str, AESGCM] = {}
    for number, line in enumerate(text.splitlines(), 1):
        text_key = line.partition("#")[0].strip()
        if text_key:
            key = _parse_key(text_key, number)
            keys[key_id(key)] = AESGCM(key)
    if not keys:
        raise KeyFileError("it contains no key")
    return keys


def _parse_key(text: str, number: int) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise KeyFileError(f"line {number} is not base64") from None
    if len(key) != _KEY_LENGTH:
        wanted = f"{_KEY_LENGTH}: openssl rand -base64 {_KEY_LENGTH}"
        raise KeyFileError(f"line {number} is a key of {len(key)} bytes instead of {wanted}")
    return key


@dataclass(slots=True)
class KeyFile:
    """The keys of a file, reloaded when it changes. An invalid change is logged, and the old keys stay in use."""

    path: Path
    _keys: dict[str, "AESGCM"] = field(default_factory=dict, repr=False)
    _seen: tuple[int, int, int] = (0, 0, 0)
    _problem: str = ""

    def keys(self) -> dict[str, "AESGCM"]:
        """Return the current keys. Raises KeyFileError if they could never be read."""
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._keys, self._seen = parse_keys(self.path.read_text()), seen
                self._problem = ""
                _log.info("payload encryption is on", key=next(iter(self._keys)), keys=len(self._keys))
        except (OSError, UnicodeDecodeError, KeyFileError) as error:
            not_text = "it is not a text file"
            reason = getattr(error, "strerror", None) or (str(error) if isinstance(error, KeyFileError) else not_text)
            problem = f"payload_key_file {self.path} cannot be used: {reason}"
            if not self._keys:
                raise KeyFileError(problem) from None
            if problem != self._problem:
                _log.error(problem)
            self._problem = problem
        return self._keys


@dataclass(slots=True)
class EncryptionCodec(PayloadCodec):
    """Encrypts and decrypts payloads. Without a key file it encrypts nothing, and names the keys it would need."""

    file: KeyFile | None = None

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt with the first key."""
        if self.file is None:
            return list(payloads)
        name, key = next(iter(self.file.keys().items()))
        return [_encrypt(payload, name, key) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt what is encrypted. Raises CannotDecrypt if a key is missing, or a payload was changed."""
        if all(payload.metadata.get("encoding") != ENCODING for payload in payloads):
            return list(payloads)
        keys = self.file.keys() if self.file else {}
        return [_decrypt(payload, keys) for payload in payloads]


def _associated_data(name: str) -> bytes:
    """Public data that is authenticated: it must not be changed either."""
    return b"/".join((ENCODING, _CIPHER, name.encode()))


def _encrypt(payload: Payload, name: str, key: "AESGCM") -> Payload:
    nonce = secrets.token_bytes(_NONCE_LENGTH)
    sealed = key.encrypt(nonce, payload.SerializeToString(), _associated_data(name))
    metadata = {"encoding": ENCODING, "encryption-cipher": _CIPHER, "encryption-key-id": name.encode()}
    return Payload(metadata=metadata, data=nonce + sealed)


def _decrypt(payload: Payload, keys: dict[str, "AESGCM"]) -> Payload:
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

    name = payload.metadata.get("encryption-key-id", b"").decode(errors="replace")
    if name not in keys:
        known = ", ".join(keys) or "none"
        raise CannotDecrypt(f"a payload is encrypted with the key {name}, but payload_key_file has: {known}")
    try:
        plain = keys[name].decrypt(payload.data[:_NONCE_LENGTH], payload.data[_NONCE_LENGTH:], _associated_data(name))
    except (InvalidTag, ValueError):
        raise CannotDecrypt(f"a payload encrypted with the key {name} was changed since it was written") from None
    return Payload.FromString(plain)


def data_converter(path: str | None) -> DataConverter:
    """Build the converter between values and payloads. With keys it encrypts errors too. Raises KeyFileError."""
    if path is None:
        return replace(pydantic_data_converter, payload_codec=EncryptionCodec())
    file = KeyFile(Path(path))
    file.keys()
    failures = DefaultFailureConverterWithEncodedAttributes
    return replace(pydantic_data_converter, payload_codec=EncryptionCodec(file), failure_converter_class=failures)
