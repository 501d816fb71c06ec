"""System tools that our own cluster needs; on Debian they are installed, elsewhere a message names them."""

import os
from collections.abc import Mapping
from pathlib import Path

from localcluster.console import ClusterError, attempt, found, run, say

PACKAGES = {
    "ip": "iproute2",
    "nsenter": "util-linux",
    "mount": "mount",
    "openssl": "openssl",
    "iptables": "iptables",
    "gcc": "gcc",
    "pkg-config": "pkg-config",
}
FOR_NODES = frozenset({"iptables", "gcc", "pkg-config", "mount"})
SECCOMP = "libseccomp-dev"


def ensure(simulated: bool) -> None:
    """Install what is missing, or say what to install."""
    if packages := missing(simulated):
        install(*packages)


def install(*packages: str) -> None:
    """Install Debian's packages; files that are there already stay.

    Raises:
        ClusterError: this is not Debian, or we are not root.
    """
    names = " ".join(packages)
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists() or not found("apt-get"):
        raise ClusterError(f"please install (Debian's names): {names}")
    say(f"installing Debian packages: {names}")
    environment = _quiet_environment()
    keep = ("-o", "Dpkg::Options::=--force-confold")
    run("apt-get", "update", "-qq", env=environment)
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *keep, *packages, env=environment)


def missing(simulated: bool) -> list[str]:
    """Packages whose tool is not there. The simulated cluster has no node, so it needs fewer."""
    tools = {tool: package for tool, package in PACKAGES.items() if not (simulated and tool in FOR_NODES)}
    packages = [package for tool, package in tools.items() if not found(tool)]
    if not simulated and not _has_seccomp():
        packages.append(SECCOMP)
    return packages


def _has_seccomp() -> bool:
    return found("pkg-config") and attempt("pkg-config", "--exists", "libseccomp").returncode == 0


def _quiet_environment() -> Mapping[str, str]:
    return {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
