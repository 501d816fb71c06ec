"""A pod outside Prunella from which addresses are tried. It runs Prunella's image, for the Python in it."""

from collections.abc import Iterable, Mapping

from support.cluster import Cluster

_SLEEP = "import time; time.sleep(3600)"
CONNECT = """
import socket, sys
for address in sys.argv[1:]:
    with socket.socket() as probe:
        probe.settimeout(3)
        host, port = address.split(":")
        if probe.connect_ex((host, int(port))) == 0:
            print(address)
"""
"""A program: it prints those of its arguments to which a connection can be opened."""
_POST = """
import sys, urllib.error, urllib.request
url, body, *headers = sys.argv[1:]
request = urllib.request.Request(url, body.encode(), dict(header.split(": ", 1) for header in headers))
try:
    print(urllib.request.urlopen(request, timeout=10).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""


class ClientPod:
    """A waiting pod in an existing namespace."""

    def __init__(self, cluster: Cluster, namespace: str, image: str) -> None:
        self._cluster, self._namespace = cluster, namespace
        container = {"name": "any", "image": image, "command": ["python3", "-c", _SLEEP]}
        meta = {"name": "client", "namespace": namespace}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
        cluster.api.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
        self._kubectl("wait", "pod/client", "--for=condition=Ready", "--timeout=60s")

    def reaches(self, addresses: Iterable[str]) -> set[str]:
        """Those of the addresses to which it can open a connection."""
        return set(self._run(CONNECT, *addresses).split())

    def post(self, url: str, body: str, headers: Mapping[str, str]) -> int:
        """The status of the answer."""
        return int(self._run(_POST, url, body, *(f"{name}: {value}" for name, value in headers.items())))

    def _run(self, program: str, *arguments: str) -> str:
        return self._kubectl("exec", "client", "--", "python3", "-c", program, *arguments)

    def _kubectl(self, *arguments: str) -> str:
        return self._cluster.kubectl("-n", self._namespace, *arguments, timeout=90)
