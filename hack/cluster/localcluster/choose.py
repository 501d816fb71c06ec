"""Choose the kind of cluster for this machine. Facts are collected apart from the decision, so tests are a table."""

import os
import platform
import re
from dataclasses import dataclass
from enum import StrEnum

from localcluster.console import ClusterError, attempt, found

OLDEST_GO = (1, 24)
HELP = (
    "No cluster can be made here. Do one of these:\n"
    "  - start Docker and install kind (https://kind.sigs.k8s.io), or\n"
    "  - on Linux, install Go 1.24 or newer and run this as root, or\n"
    "  - name a context of your kubeconfig that may be used: --context NAME"
)
SIMULATED_HELP = "A simulated cluster is built from Go modules: it needs Linux, root and Go 1.26 or newer"


class Kind(StrEnum):
    """The three ways."""

    CONTEXT = "context"
    KIND = "kind"
    OWN = "own"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """The facts of the decision."""

    context: str | None = None
    simulated: bool = False
    docker_running: bool = False
    kind_found: bool = False
    linux: bool = False
    root: bool = False
    go: tuple[int, int] | None = None
    own_exists: bool = False


@dataclass(frozen=True)
class Choice:
    """A way and why it was taken."""

    kind: Kind
    reason: str

    def __str__(self) -> str:
        return f"cluster: {self.kind} ({self.reason})"


def gather(context: str | None, simulated: bool, own_exists: bool) -> Facts:
    """Look at this machine."""
    return Facts(
        context=context,
        simulated=simulated,
        docker_running=found("docker") and attempt("docker", "info").returncode == 0,
        kind_found=found("kind"),
        linux=platform.system() == "Linux",
        root=hasattr(os, "geteuid") and os.geteuid() == 0,
        go=go_version(),
        own_exists=own_exists,
    )


def go_version() -> tuple[int, int] | None:
    """Major and minor number of the Go toolchain, if there is one."""
    if not found("go"):
        return None
    match = re.search(r"go(\d+)\.(\d+)", attempt("go", "env", "GOVERSION").stdout)
    return (int(match[1]), int(match[2])) if match else None


def choose(facts: Facts) -> Choice:
    """Take the first way that is possible; what the user named explicitly, or already has, comes first."""
    if facts.context:
        return Choice(Kind.CONTEXT, f"--context {facts.context}")
    can_build = facts.linux and facts.root and facts.go is not None and facts.go >= OLDEST_GO
    if facts.own_exists and facts.linux and facts.root:
        return Choice(Kind.OWN, "made earlier under this name")
    if facts.docker_running and facts.kind_found and not facts.simulated:
        return Choice(Kind.KIND, "Docker is running and kind is found")
    if can_build and facts.go:
        return Choice(Kind.OWN, f"Linux, root and Go {facts.go[0]}.{facts.go[1]} found; {_why_not_kind(facts)}")
    raise ClusterError(SIMULATED_HELP if facts.simulated else HELP)


def _why_not_kind(facts: Facts) -> str:
    if facts.simulated:
        return "--simulated"
    return "kind is not installed" if facts.docker_running else "Docker is not running"
