"""The environment variables of this process: which are ours, which are misspelt, where a setting came from."""

import difflib
import os
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from prunella_workflows.model.errors import Permanent

PREFIX = "PRUNELLA_"

# Kubernetes sets these in every pod for each Service whose name begins with prunella; they are not settings.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$")


class UnknownSetting(Permanent):
    """A PRUNELLA_* variable that is no setting: most likely misspelt, so what it wants would silently not happen."""


def in_cluster() -> bool:
    """Whether this process runs in a pod."""
    return "KUBERNETES_SERVICE_HOST" in os.environ


def state_home() -> Path:
    """Where data that must survive a restart is kept on this machine."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "prunella"


def variable(field: str) -> str:
    """The environment variable of a setting."""
    return PREFIX + field.upper()


def check_variables(fields: Collection[str], environ: Mapping[str, str]) -> None:
    """Refuse variables with our prefix that are no setting.

    Raises:
        UnknownSetting: naming each variable and the setting that was probably meant.
    """
    known = {variable(field) for field in fields}
    unknown = [name for name in sorted(environ) if name.upper().startswith(PREFIX) and name.upper() not in known]
    strangers = [name for name in unknown if not _is_service_link(name, environ[name])]
    if strangers:
        raise UnknownSetting("\n".join(_complaint(name, known) for name in strangers))


def sources(fields: Iterable[str], flags: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """Where each setting's value came from: flag, env or default."""
    given = {name.upper() for name, value in environ.items() if value}
    return {field: "flag" if field in flags else "env" if variable(field) in given else "default" for field in fields}


def _is_service_link(name: str, value: str) -> bool:
    link = _SERVICE_LINK.search(name)
    return link is not None and (not name.endswith("_PORT") or "_SERVICE_" in name or "://" in value)


def _complaint(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name.upper(), known, n=1)
    hint = f"did you mean {close[0]}?" if close else "`prunella settings` lists the settings there are"
    return f"the environment variable {name} is not a setting: {hint}"
