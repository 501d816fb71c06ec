"""Alertmanager: Debian's program, for its Go module lacks files of its web pages; and how alerts are routed.

The package is unpacked into the cache and never installed: an installed one would start a service of this machine.
"""

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from localcluster import build
from localcluster.console import ClusterError, found, run, say

PACKAGE = "prometheus-alertmanager"
NAMES = (PACKAGE, "alertmanager")
"""Names of the program: Debian's, and the common one."""


def command() -> list[str]:
    """Starts this machine's program, or the unpacked one.

    Debian's looks for its templates below /usr/share, so the unpacked files are laid over that, for this process alone.
    """
    if (installed := _installed()) is not None:
        return [installed]
    over = 'mount -t overlay overlay -o "lowerdir=$0:/usr/share" /usr/share && exec "$@"'
    alone = ["unshare", "--mount", "--propagation", "private", "sh", "-c", over]
    return [*alone, str(_unpacked() / "usr" / "share"), str(_unpacked() / "usr" / "bin" / PACKAGE)]


def _installed() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def _unpacked() -> Path:
    return build.cache_folder() / PACKAGE


def ensure() -> None:
    """Fetch it, or say what to install."""
    if _installed() is not None or _unpacked().exists():
        return
    if not Path("/etc/debian_version").exists() or not found("apt-get"):
        raise ClusterError("please install Alertmanager (https://prometheus.io/download)")
    say(f"fetching Debian's {PACKAGE}")
    run("apt-get", "update", "-qq")
    build.cache_folder().mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=build.cache_folder()) as folder:
        run("apt-get", "download", "-qq", PACKAGE, cwd=Path(folder))
        (archive,) = Path(folder).glob(f"{PACKAGE}_*.deb")
        run("dpkg-deb", "--extract", archive, Path(folder, PACKAGE))
        Path(folder, PACKAGE).replace(_unpacked())


def write_routing(file: Path, webhook: str | None, token_file: Path | None) -> None:
    """Send all alerts to a webhook. Without one the routing that is there stays, and at first they go nowhere."""
    if webhook or not file.exists():
        file.write_text(json.dumps(routing(webhook, token_file), indent=2) + "\n")


def routing(webhook: str | None, token_file: Path | None) -> dict[str, Any]:
    """One receiver; grouped and repeated as people do it, but in seconds.

    Alerts about Prunella itself are dropped: otherwise Prunella's own webhook would receive them.
    """
    receiver: dict[str, Any] = {"name": "prunella"}
    if webhook:
        hook: dict[str, Any] = {"url": webhook, "send_resolved": True}
        if token_file:
            hook["http_config"] = {"authorization": {"credentials_file": str(token_file.resolve())}}
        receiver["webhook_configs"] = [hook]
    grouping = {"group_by": ["alertname", "namespace"], "group_wait": "1s", "group_interval": "5s"}
    about_itself = {"matchers": ['alertname=~"Prunella.*"'], "receiver": "none"}
    route = {"receiver": "prunella", **grouping, "repeat_interval": "1m", "routes": [about_itself]}
    return {"route": route, "receivers": [receiver, {"name": "none"}]}
