"""Environment variables of this process: validation of names, and the source of each setting."""

import difflib
import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path

from prunella_operator.config.temporal_profile import profile_settings
from prunella_workflows.model.errors import Permanent

PREFIX = "PRUNELLA_"

# Kubernetes sets these in every pod for each Service whose name starts with prunella; they are not settings.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")


class UnknownSetting(Permanent):
    """A PRUNELLA_* variable that is not a setting: most likely misspelt, and would otherwise be ignored silently."""


def in_cluster() -> bool:
    """True if this process runs in a pod."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def state_home() -> Path:
    """The folder on this machine for data that must survive a restart."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "prunella"


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def check_variables(fields: Collection[str], environ: Mapping[str, str]) -> None:
    """Raise UnknownSetting for variables with our prefix that are not settings, and name the closest settings."""
    known = {variable(field) for field in fields}
    others = [name for name in sorted(environ) if name.upper().startswith(PREFIX) and name.upper() not in known]
    unknown = [name for name in others if not _is_service_link(name, environ[name])]
    if unknown:
        raise UnknownSetting("\n".join(_describe_unknown(name, known) for name in unknown))


def find_sources(fields: Collection[str], flags: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The source of each value: flag, env, temporal (its own configuration) or default. Raises ProfileError."""
    given = {name.upper() for name, value in environ.items() if value}
    sources = {"flag": flags, "env": {field for field in fields if variable(field) in given}}
    sources["temporal"] = profile_settings(environ)
    return {field: next((name for name, found in sources.items() if field in found), "default") for field in fields}


def _is_service_link(name: str, value: str) -> bool:
    link = _SERVICE_LINK.search(name)
    return link is not None and (not name.endswith("_PORT") or "_SERVICE_" in name or "://" in value)


def _describe_unknown(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name.upper(), known, n=1)
    hint = f"did you mean {close[0]}?" if close else "`prunella settings` lists all settings"
    return f"the environment variable {name} is not a setting: {hint}"
