"""The sources of our own cluster: the Go modules beside this package, and the programs of each.

One module per group, because their dependency versions conflict. Versions live in the go.mod files alone.
"""

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from localcluster.console import ClusterError

GO_FOLDER = Path(__file__).resolve().parent.parent / "go"
IMAGES_FOLDER = Path(__file__).resolve().parent.parent.parent / "images"


@dataclass(frozen=True)
class Program:
    """One binary; `seconds` is what a first build took on two cores and only feeds the estimate of the bar."""

    name: str
    package: str
    seconds: int


@dataclass(frozen=True)
class Kept:
    """Files of a group's main module that its programs are used with: kept beside them, as one."""

    name: str
    module: str
    files: tuple[str, ...]
    """In the module's folder; with patterns."""


@dataclass(frozen=True)
class Group:
    """One Go module and its programs."""

    name: str
    folder: Path
    programs: tuple[Program, ...]
    cgo: bool = False
    tags: str = ""
    version_of: str = ""
    """Module whose version the programs report; Kubernetes' clients refuse to talk to a server without one."""
    kept: Kept | None = None

    @property
    def version(self) -> str:
        """The version that the programs report, such as `v1.34.4`; "" if they report none."""
        return _version(self.folder / "go.mod", self.version_of) if self.version_of else ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The version's major and minor number."""
        return tuple(int(number) for number in self.version.lstrip("v").split(".")[:2])

    def ldflags(self) -> str:
        """Stripped binaries, and the version in the place where Kubernetes' own build writes it."""
        if not self.version:
            return "-s -w"
        major, minor = self.numbers
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor}
        return "-s -w" + "".join(f" -X k8s.io/component-base/version.{key}={value}" for key, value in values.items())

    def key(self) -> str:
        """Name of the cache folder: changes with the module, the sources, the flags and the machine's kind."""
        digest = hashlib.sha256()
        for path in sorted(self.folder.glob("*")):
            if path.is_file() and path.suffix in {".mod", ".sum", ".go", ".c"}:
                digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        digest.update(f"{self.cgo} {self.tags} {self.ldflags()} {os.uname().machine}".encode())
        return f"{self.name}-{digest.hexdigest()[:16]}"


def _version(go_mod: Path, module: str) -> str:
    match = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", go_mod.read_text(), re.MULTILINE)
    return match[1] if match else ""


def _programs(seconds: Mapping[str, int], package: str = "{}") -> tuple[Program, ...]:
    """Programs whose package ends in their own name."""
    return tuple(Program(path.rpartition("/")[2], package.format(path), time) for path, time in seconds.items())


ETCD = Group("etcd", GO_FOLDER / "etcd", (Program("etcd", ".", 40),))
KUBERNETES = Group(
    "kubernetes",
    GO_FOLDER / "kubernetes",
    _programs(
        {
            "kube-apiserver": 190,
            "kube-controller-manager": 55,
            "kube-scheduler": 4,
            "kubectl": 22,
            "kubelet": 17,
            "kube-proxy": 7,
        },
        "k8s.io/kubernetes/cmd/{}",
    ),
    version_of="k8s.io/kubernetes",
)
"""The usual minor version; each of the others has a folder with its number."""
CONTAINERD = Group(
    "containerd",
    GO_FOLDER / "containerd",
    _programs(
        {"containerd": 48, "containerd-shim-runc-v2": 1, "ctr": 2},
        "github.com/containerd/containerd/v2/cmd/{}",
    ),
)
RUNC = Group("runc", GO_FOLDER / "runc", _programs({"github.com/opencontainers/runc": 12}), cgo=True, tags="seccomp")
CNI = Group(
    "cni",
    GO_FOLDER / "cni",
    _programs(
        {"main/bridge": 3, "ipam/host-local": 1, "main/loopback": 1, "meta/portmap": 1},
        "github.com/containernetworking/plugins/plugins/{}",
    ),
)
KWOK = Group(
    "kwok",
    GO_FOLDER / "kwok",
    _programs({"sigs.k8s.io/kwok/cmd/kwok": 72}),
    kept=Kept(  # how fake nodes and pods behave
        "stages.yaml",
        "sigs.k8s.io/kwok",
        (
            "kustomize/stage/node/fast/node-initialize.yaml",
            "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
            "kustomize/stage/pod/fast/pod-ready.yaml",
            "kustomize/stage/pod/fast/pod-complete.yaml",
            "kustomize/stage/pod/fast/pod-delete.yaml",
        ),
    ),
)
PROMETHEUS = Group(
    "prometheus",
    GO_FOLDER / "prometheus",
    _programs({"prometheus": 150, "promtool": 4}, "github.com/prometheus/prometheus/cmd/{}"),
    tags="remove_all_sd,enable_kubernetes_sd",  # the clouds' own discovery would be most of the program
)
METRICS_SERVER = Group(
    "metrics-server",
    GO_FOLDER / "metrics-server",
    _programs({"sigs.k8s.io/metrics-server/cmd/metrics-server": 210}),
)
COLLECTOR = Group("collector", GO_FOLDER / "collector", (Program("collector", ".", 110),))
TEMPORAL = Group(
    "temporal",
    GO_FOLDER / "temporal",
    (
        Program("temporal-server", "go.temporal.io/server/cmd/server", 210),
        Program("temporal-sql-tool", "go.temporal.io/server/cmd/tools/sql", 3),
    ),
)
NETPOL = Group(
    "netpol", GO_FOLDER / "netpol", _programs({"github.com/cloudnativelabs/kube-router/v2/cmd/kube-router": 100})
)
PROMETHEUS_ADAPTER = Group(
    "prometheus-adapter",
    GO_FOLDER / "prometheus-adapter",
    (Program("prometheus-adapter", "sigs.k8s.io/prometheus-adapter/cmd/adapter", 110),),
)
KEDA = Group(
    "keda",
    GO_FOLDER / "keda",
    (
        Program("keda-operator", "github.com/kedacore/keda/v2/cmd/operator", 380),
        Program("keda-adapter", "github.com/kedacore/keda/v2/cmd/adapter", 55),
    ),
    kept=Kept("crds.yaml", "github.com/kedacore/keda/v2", ("config/crd/bases/*.yaml",)),
)
_AUTOSCALER = "k8s.io/autoscaler/vertical-pod-autoscaler"
VPA = Group(
    "vpa",
    GO_FOLDER / "vpa",
    (
        Program("vpa-recommender", f"{_AUTOSCALER}/pkg/recommender", 240),
        Program("vpa-updater", f"{_AUTOSCALER}/pkg/updater", 18),
        Program("vpa-admission-controller", f"{_AUTOSCALER}/pkg/admission-controller", 3),
    ),
    kept=Kept("crds.yaml", _AUTOSCALER, ("deploy/vpa-v1-crd-gen.yaml",)),
)
HELM = Group("helm", GO_FOLDER / "helm", _programs({"helm.sh/helm/v4/cmd/helm": 100}))
ACTIONLINT = Group(
    "actionlint", GO_FOLDER / "actionlint", _programs({"github.com/rhysd/actionlint/cmd/actionlint": 10})
)
SHOP = Group("shop", IMAGES_FOLDER / "shop", (Program("shop", ".", 2),))

CONTROL_PLANE = (ETCD, KUBERNETES)
REAL = (*CONTROL_PLANE, CONTAINERD, RUNC, CNI, SHOP)
SIMULATED = (*CONTROL_PLANE, KWOK)
MONITORING = (PROMETHEUS, METRICS_SERVER)
ALONE = (COLLECTOR, TEMPORAL, NETPOL, PROMETHEUS_ADAPTER, KEDA, VPA, HELM, ACTIONLINT)
"""For single tests: built when one of them asks."""
NODE_ONLY = frozenset({"kubelet", "kube-proxy"})


def kubernetes(minor: str = "") -> Group:
    """Kubernetes of a minor version such as `1.36`; without one, of the usual version.

    Raises:
        ClusterError: there is no module of this version; the text lists the versions that have one.
    """
    known = kubernetes_versions()
    if minor and minor not in known:
        raise ClusterError(f"there is no Kubernetes {minor} here: choose one of {', '.join(known)}")
    return known[minor] if minor else KUBERNETES


def kubernetes_versions() -> dict[str, Group]:
    """Every minor version with a module, oldest first."""
    others = [replace(KUBERNETES, folder=folder) for folder in GO_FOLDER.glob("kubernetes-*")]
    ordered = sorted((KUBERNETES, *others), key=lambda group: group.numbers)
    return {".".join(map(str, group.numbers)): group for group in ordered}


def wanted(simulated: bool, monitoring: bool = False, minor: str = "") -> list[tuple[Group, Program]]:
    """The programs to build, in order: those that take longest to start are needed first."""
    groups = (*(SIMULATED if simulated else REAL), *(MONITORING if monitoring else ()))
    chosen = [kubernetes(minor) if group is KUBERNETES else group for group in groups]
    pairs = [(group, program) for group in chosen for program in group.programs]
    return [pair for pair in pairs if not (simulated and pair[1].name in NODE_ONLY)]


def alone() -> list[tuple[Group, Program]]:
    """The programs that no cluster starts."""
    return [(group, program) for group in ALONE for program in group.programs]
