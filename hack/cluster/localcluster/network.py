"""A network namespace per cluster, joined to this machine by one cable (a veth pair).

Bridges, firewall rules and ports of two clusters never meet, deleting the namespace removes every device in it,
and with no default route inside nothing can leave the machine.
"""

import json
from ipaddress import IPv4Network, ip_network
from pathlib import Path

from localcluster.console import attempt, run
from localcluster.instance import Instance

NETNS_FOLDER = Path("/run/netns")
SETTINGS = {
    "net/ipv4/ip_forward": "1",  # pods reach the node's services, the host reaches pods
    "net/ipv4/conf/all/rp_filter": "0",  # answers of a Service may come back another way
    "net/bridge/bridge-nf-call-iptables": "1",  # a pod reaching itself or a neighbour through a Service
}


def enter(instance: Instance, *command: str | Path) -> list[str]:
    """Prefix that runs a command inside. Not `ip netns exec`: that remounts /sys and so hides the control groups."""
    return ["nsenter", f"--net={NETNS_FOLDER / instance.netns}", *map(str, command)]


def ensure(instance: Instance) -> None:
    """Make whatever is missing: all of it at first, after a reboot, or after an interrupted start."""
    if not _usable(instance):
        remove(instance)  # half of it, or a file that outlived a reboot
        run("ip", "netns", "add", instance.netns)
        _plug_in(instance)
    _configure_inside(instance)
    for network in (instance.pods, instance.services):
        run("ip", "route", "replace", str(network), "via", str(instance.address), "dev", instance.veth)


def _usable(instance: Instance) -> bool:
    return attempt(*enter(instance, "ip", "link", "show", "eth0")).returncode == 0


def _plug_in(instance: Instance) -> None:
    run("ip", "link", "add", instance.veth, "type", "veth", "peer", "name", "eth0", "netns", instance.netns)
    run("ip", "address", "add", f"{instance.host_address}/{instance.link.prefixlen}", "dev", instance.veth)
    run("ip", "link", "set", instance.veth, "up")


def _configure_inside(instance: Instance) -> None:
    inside = ("ip", "-n", instance.netns)
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "address", "replace", f"{instance.address}/{instance.link.prefixlen}", "dev", "eth0")
    run(*inside, "link", "set", "eth0", "up")
    for name, value in SETTINGS.items():
        if Path("/proc/sys", name).exists():
            run(*enter(instance, "sh", "-c", f"echo {value} > /proc/sys/{name}"))


def remove(instance: Instance) -> None:
    """Pull the cable and drop the namespace with everything in it."""
    if not attempt("ip", "link", "show", instance.veth).returncode:
        run("ip", "link", "del", instance.veth)
    if (NETNS_FOLDER / instance.netns).exists():
        attempt("ip", "netns", "del", instance.netns)
        (NETNS_FOLDER / instance.netns).unlink(missing_ok=True)
    if NETNS_FOLDER.exists() and not any(NETNS_FOLDER.iterdir()):
        attempt("umount", NETNS_FOLDER)  # `ip netns add` mounts it and nothing unmounts it


def in_use() -> list[IPv4Network]:
    """Ranges that this machine already routes somewhere, its default route aside."""
    routes = json.loads(run("ip", "-j", "-4", "route", "show", "table", "all") or "[]")
    return networks_of([str(route.get("dst", "default")) for route in routes])


def networks_of(destinations: list[str]) -> list[IPv4Network]:
    """Parse the destinations of a route table."""
    texts = [text for text in destinations if text not in {"default", "0.0.0.0/0"}]
    networks = [ip_network(text, strict=False) for text in texts]
    return [network for network in networks if isinstance(network, IPv4Network)]
