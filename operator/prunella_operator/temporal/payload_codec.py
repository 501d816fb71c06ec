"""What Temporal stores, encrypted: AES-256-GCM with keys from a file, such as a mounted Secret.

The first key of the file encrypts, each of them decrypts; a payload says by the key's id which it needs. The id is made
from the key, so no two keys can be confused. What was stored before there was a key stays readable.
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
_KEY = 32  # bytes
_NONCE = 12  # bytes; by chance, which is safe for about 2**32 payloads of one key

Stamp = tuple[int, int, int]


class KeyFileError(Permanent):
    """The file of keys is missing or makes no sense; no key is ever in the message."""


class CannotDecrypt(Permanent):
    """The key of a payload is missing, or the payload was changed."""


def key_id(key: bytes) -> str:
    """The name of a key, which tells nothing of it."""
    return hashlib.sha256(b"prunella payload key" + key).hexdigest()[:16]


def parse_keys(text: str) -> dict[str, "AESGCM"]:
    """The keys of a file by their ids, in its order: one a line, in base64; empty lines and comments (#) aside.

    Raises:
        NoKeys: there is none, or a line is no key.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - who has no keys does not pay

    keys: dict[str, AESGCM] = {}
    for number, line in enumerate(text.splitlines(), 1):
        word = line.partition("#")[0].strip()
        if word:
            key = _key(word, number)
            keys[key_id(key)] = AESGCM(key)
    if not keys:
        raise KeyFileError("it holds no key")
    return keys


def _key(word: str, number: int) -> bytes:
    try:
        key = base64.b64decode(word, validate=True)
    except binascii.Error:
        raise KeyFileError(f"line {number} is not base64") from None
    if len(key) != _KEY:
        raise KeyFileError(
            f"line {number} is a key of {len(key)} bytes, and {_KEY} are needed: openssl rand -base64 {_KEY}"
        )
    return key


@dataclass(slots=True)
class KeyFile:
    """The keys of a file, read again when it changes. A change that makes no sense is logged, and the old keys stay."""

    path: Path
    _keys: dict[str, "AESGCM"] = field(default_factory=dict, repr=False)
    _seen: Stamp = (0, 0, 0)
    _problem: str = ""

    def keys(self) -> dict[str, "AESGCM"]:
        """The keys as the file is now.

        Raises:
            NoKeys: they could not be read even once.
        """
        try:
            stat = self.path.stat()
            seen = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if seen != self._seen:
                self._keys, self._seen = parse_keys(self.path.read_text()), seen
                self._problem = ""
                _log.info("payloads are encrypted", key=next(iter(self._keys)), keys=len(self._keys))
        except (OSError, UnicodeDecodeError, KeyFileError) as error:
            said = getattr(error, "strerror", None) or (
                str(error) if isinstance(error, KeyFileError) else "it is no text"
            )
            problem = f"payload_key_file {self.path} cannot be used: {said}"
            if not self._keys:
                raise KeyFileError(problem) from None
            if problem != self._problem:
                _log.error(problem)
            self._problem = problem
        return self._keys


@dataclass(slots=True)
class EncryptionCodec(PayloadCodec):
    """Encrypts and decrypts payloads. Without a file it encrypts nothing, and says what is missing to decrypt."""

    file: KeyFile | None = None

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypted by the first key."""
        if self.file is None:
            return list(payloads)
        name, key = next(iter(self.file.keys().items()))
        return [_encrypted(payload, name, key) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """As they were.

        Raises:
            CannotDecrypt: a key is missing, or a payload was changed.
        """
        if all(payload.metadata.get("encoding") != ENCODING for payload in payloads):
            return list(payloads)
        keys = self.file.keys() if self.file else {}
        return [_decrypted(payload, keys) for payload in payloads]


def _bound(name: str) -> bytes:
    """What is not secret and must not be changed either."""
    return b"/".join((ENCODING, _CIPHER, name.encode()))


def _encrypted(payload: Payload, name: str, key: "AESGCM") -> Payload:
    nonce = secrets.token_bytes(_NONCE)
    sealed = key.encrypt(nonce, payload.SerializeToString(), _bound(name))
    metadata = {"encoding": ENCODING, "encryption-cipher": _CIPHER, "encryption-key-id": name.encode()}
    return Payload(metadata=metadata, data=nonce + sealed)


def _decrypted(payload: Payload, keys: dict[str, "AESGCM"]) -> Payload:
    if payload.metadata.get("encoding") != ENCODING:
        return payload
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - see above

    name = payload.metadata.get("encryption-key-id", b"").decode(errors="replace")
    if name not in keys:
        known = ", ".join(keys) or "none"
        raise CannotDecrypt(f"a payload is encrypted with the key {name}, and payload_key_file has: {known}")
    try:
        plain = keys[name].decrypt(payload.data[:_NONCE], payload.data[_NONCE:], _bound(name))
    except (InvalidTag, ValueError):
        raise CannotDecrypt(f"a payload that the key {name} should open was changed since it was written") from None
    return Payload.FromString(plain)


def converter(path: str | None) -> DataConverter:
    """How clients and workers turn values into payloads. With a file of keys everything is encrypted, errors too.

    Raises:
        NoKeys: the file is missing or makes no sense.
    """
    if path is None:
        return replace(pydantic_data_converter, payload_codec=EncryptionCodec())
    file = KeyFile(Path(path))
    file.keys()
    failures = DefaultFailureConverterWithEncodedAttributes
    return replace(pydantic_data_converter, payload_codec=EncryptionCodec(file), failure_converter_class=failures)
