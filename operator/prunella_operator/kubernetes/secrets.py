"""Secrets of channels and ticket systems. They are read at each use, so that changes take effect at once."""

import base64
import binascii

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Api
from prunella_workflows.model.errors import Forbidden, InvalidInputError, NotFound


def read_secret(api: Api, address: str, kind: str) -> dict[str, str]:
    """Read the Secret `NAMESPACE/NAME`. Its type must be `kind`, with which its author permits this use.

    Raises InvalidInputError if it does not exist, has another type or is not text; Forbidden says how to grant access.
    """
    namespace, _, name = address.partition("/")
    try:
        secret = api.call("GET", paths.core(namespace, "secrets", name))
    except NotFound:
        raise InvalidInputError(f"there is no Secret {address}") from None
    except Forbidden:
        raise Forbidden(
            f"Prunella may not read Secret {address}: its account needs a Role in {namespace} with the verb get on "
            f"secrets and the resourceName {name}"
        ) from None
    if secret.get("type") != kind:
        raise InvalidInputError(f"Secret {address} must be of the type {kind}, so that none is used by mistake")
    return {key: _decode(address, key, value) for key, value in (secret.get("data") or {}).items()}


def required(address: str, values: dict[str, str], key: str) -> str:
    """Get a value. Raises InvalidInputError if it is missing or empty."""
    if not values.get(key, "").strip():
        raise InvalidInputError(f"Secret {address} has no {key}")
    return values[key].strip()


def _decode(address: str, key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidInputError(f"Secret {address}: {key} is not text") from None
