"""Ed25519 keys from PEM files. Errors never contain a key."""

from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from prunella_operator.json_text import InvalidFile

Sign = Callable[[bytes], str]
"""Signs bytes; signatures are hexadecimal digits."""
Check = Callable[[bytes, str], bool]
"""Reports whether this is the signature of these bytes."""


def read_private_key(path: str) -> Sign:
    """Sign by the private key of a file. Raises InvalidFile, which names the file, if it has none."""
    key = _read(path, lambda data: load_pem_private_key(data, password=None))
    if not isinstance(key, Ed25519PrivateKey):
        raise InvalidFile(f"{path}: this is no private key of Ed25519")
    return lambda data: key.sign(data).hex()


def read_public_key(path: str) -> Check:
    """Check by the public key of a file. Raises InvalidFile, which names the file, if it has none."""
    key = _read(path, load_pem_public_key)
    if not isinstance(key, Ed25519PublicKey):
        raise InvalidFile(f"{path}: this is no public key of Ed25519")

    def check(data: bytes, signature: str) -> bool:
        try:
            key.verify(bytes.fromhex(signature), data)
        except (InvalidSignature, ValueError):
            return False
        return True

    return check


def _read(path: str, load: Callable[[bytes], object]) -> object:
    try:
        return load(Path(path).read_bytes())
    except OSError as error:
        raise InvalidFile(f"{path}: {error.strerror}") from error
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidFile(f"{path}: this is no key in PEM, or it has a password") from None
