"""Left-over mounts and files of containers, found by the state folder they point into."""

import json
import re
import socket
from pathlib import Path

from localcluster.console import attempt
from localcluster.instance import Instance

CNI_RESULTS = Path("/var/lib/cni/results")
SHIM_SOCKETS = Path("/run/containerd/s")
CONTAINER_LOGS = Path("/var/log/containers")
PLUGIN_SOCKET = Path("/var/lib/kubelet/device-plugins/kubelet.sock")
"""Four places that containerd and the kubelet share between all their instances, whatever their settings say."""


def below(folder: Path, mounts: str) -> list[str]:
    """Mount points below a folder, innermost first."""
    points = [line.split()[1].encode().decode("unicode_escape") for line in mounts.splitlines()]
    return sorted((point for point in points if Path(point).is_relative_to(folder)), key=len, reverse=True)


def unmount_all(instance: Instance) -> None:
    """Twice, because a mount may hide another; lazily, because a dying process may hold one for a moment."""
    for _ in range(2):
        for point in below(instance.folder, Path("/proc/mounts").read_text()):
            if attempt("umount", point).returncode:
                attempt("umount", "--lazy", point)


def remove_strays(instance: Instance) -> None:
    """Delete what killed containers leave in the shared places, and those places when they are not used otherwise."""
    for left_over in _shim_sockets(instance):
        left_over.unlink(missing_ok=True)
    for link in CONTAINER_LOGS.glob("*"):
        if link.is_symlink() and link.readlink().is_relative_to(instance.folder):
            link.unlink(missing_ok=True)
    _remove_network_results(instance)
    if not _answers(PLUGIN_SOCKET):
        PLUGIN_SOCKET.unlink(missing_ok=True)
    for file in (CNI_RESULTS, SHIM_SOCKETS, PLUGIN_SOCKET.parent):
        _remove_when_empty(file)
        _remove_when_empty(file.parent)
    _remove_when_empty(CONTAINER_LOGS)


def _answers(path: Path) -> bool:
    """Another cluster's kubelet may have taken the place; only a socket without a listener is a left-over."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(str(path)) == 0


def _remove_network_results(instance: Instance) -> None:
    """Loopback results carry no network name, only the sandbox that our bridge's result names, too."""
    ours = re.compile(re.escape(instance.netns) + r"-([0-9a-f]{64})-eth0")
    sandboxes = [match[1] for path in CNI_RESULTS.glob("*") if (match := ours.fullmatch(path.name))]
    for sandbox in sandboxes:
        for name in (f"cni-loopback-{sandbox}-lo", f"{instance.netns}-{sandbox}-eth0"):
            (CNI_RESULTS / name).unlink(missing_ok=True)


def _shim_sockets(instance: Instance) -> list[Path]:
    found = []
    for file in (instance.folder / "containerd" / "state").glob("io.containerd.runtime.v2.task/*/*/bootstrap.json"):
        address = str(json.loads(file.read_text()).get("address", ""))
        if address.startswith("unix://"):
            found.append(Path(address.removeprefix("unix://")))
    return [path for path in found if path.parent == SHIM_SOCKETS]


def _remove_when_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
