"""A relay of TCP connections that can be cut, for example to the API server."""

from pathlib import Path
from urllib.parse import urlsplit

import yaml
from localcluster.relay import Relay


class Forwarder(Relay):
    """Carries connections to the server of a URL."""

    def __init__(self, server: str, address: str = "127.0.0.1", port: int = 0) -> None:
        target = urlsplit(server)
        assert target.hostname, server
        assert target.port, server
        super().__init__((target.hostname, target.port), address, port)
        self._host = target.hostname

    def kubeconfig(self, path: Path, folder: Path) -> Path:
        """A kubeconfig for the same cluster and user through this forwarder."""
        config = yaml.safe_load(path.read_text())
        config["clusters"][0]["cluster"] |= {
            "server": f"https://127.0.0.1:{self.port}",
            "tls-server-name": self._host,
        }
        made = folder / "kubeconfig-forwarded"
        made.write_text(yaml.safe_dump(config))
        return made
