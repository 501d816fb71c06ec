"""Ports of this machine."""

import secrets
import socket
from contextlib import suppress

_PORTS = range(15_000, 32_000)
"""Ports below those that Linux gives to connections, so that a process that was stopped finds its port free again."""


def free_ports(count: int) -> list[int]:
    """Distinct unused ports."""
    found: list[int] = []
    while len(found) < count:
        port = secrets.choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found += [port] if port not in found else []
    return found


def listens(port: int) -> bool:
    """Does a program of this machine accept connections there?"""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
