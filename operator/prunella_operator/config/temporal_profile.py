"""Temporal's own configuration of clients: `TEMPORAL_*` variables over a profile of `TEMPORAL_CONFIG_FILE`.

It fills Prunella's settings that are not set otherwise. Certificates, server name and gRPC metadata are only here.
"""

import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from prunella_workflows.model.errors import Permanent

if TYPE_CHECKING:
    from temporalio.envconfig import ClientConfigProfile

_FILE = "TEMPORAL_CONFIG_FILE"
_BOOLEANS = frozenset({"true", "1", "false", "0"})
_QUOTED_SOURCE = re.compile(r"(parse error at line \d+, column \d+).*", re.DOTALL)
PLACES = {
    "temporal_address": "TEMPORAL_ADDRESS or `address` of the Temporal profile",
    "temporal_namespace": "TEMPORAL_NAMESPACE or `namespace` of the Temporal profile",
    "temporal_api_key": "TEMPORAL_API_KEY or `api_key` of the Temporal profile",
    "temporal_tls": "TEMPORAL_TLS or `tls` of the Temporal profile",
}
"""The settings that a profile can fill, and where their values come from then."""


class ProfileError(Permanent):
    """Temporal's configuration is invalid; the message names the file or variable, and quotes no value."""


def load_profile(environ: Mapping[str, str]) -> "ClientConfigProfile":
    """Read the profile of this environment, with its variables applied. Empty variables do not count.

    Raises:
        ProfileError: the file or profile is missing or invalid, or a variable is.
    """
    from temporalio.envconfig import ClientConfigProfile  # noqa: PLC0415 - prunella-client has no Temporal SDK

    given = {name: value for name, value in environ.items() if value}
    file = given.get(_FILE)
    if file and not Path(file).exists():  # the SDK would silently ignore it
        raise ProfileError(f"{_FILE} names {file}, which does not exist")
    if given.get("TEMPORAL_TLS", "true").lower() not in _BOOLEANS:  # the SDK would take it for true
        raise ProfileError("TEMPORAL_TLS: expected true or false")
    try:
        return ClientConfigProfile.load(override_env_vars=given)
    except RuntimeError as error:
        reason = _QUOTED_SOURCE.sub(r"\1", str(error))  # a parser quotes the line, which may hold a key
        raise ProfileError(f"{file or 'Temporal configuration'}: {reason}") from None


def profile_settings(environ: Mapping[str, str]) -> dict[str, str | bool]:
    """The settings that the profile fills; none in prunella-client, which has no Temporal SDK. Raises ProfileError."""
    if not find_spec("temporalio"):
        return {}
    profile = load_profile(environ)
    found = {
        "temporal_address": profile.address,
        "temporal_namespace": profile.namespace,
        "temporal_api_key": profile.api_key,
        "temporal_tls": profile.tls is not None and not profile.tls.disabled,
    }
    return {name: value for name, value in found.items() if value}
