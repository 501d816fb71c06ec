"""Secrets that hold the address of a channel or a ticket system: read at each use, so that a new one counts at once."""

import base64
import binascii

from prunella_operator.kubernetes import paths
from prunella_operator.kubernetes.api import Api, Object
from prunella_workflows.model.errors import Forbidden, InvalidInputError, NotFound


def read_secret(api: Api, address: str, kind: str) -> dict[str, str]:
    """The values of the Secret `NAMESPACE/NAME`. Its type must be `kind`: who made it, agreed to this use of it.

    Raises:
        InvalidInputError: it is not there, not of that type, or not text.
        Forbidden: we may not read it; the message says how to allow it.
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
        raise InvalidInputError(f"Secret {address} must be of the type {kind}, so that no other can be used by mistake")
    return {key: _text(address, key, value) for key, value in _data(secret).items()}


def required(address: str, values: dict[str, str], key: str) -> str:
    """One value that must be there.

    Raises:
        InvalidInputError: it is not.
    """
    if not values.get(key, "").strip():
        raise InvalidInputError(f"Secret {address} has no {key}")
    return values[key].strip()


def _data(secret: Object) -> dict[str, str]:
    data: dict[str, str] = secret.get("data") or {}
    return data


def _text(address: str, key: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise InvalidInputError(f"Secret {address}: {key} is not text") from None
