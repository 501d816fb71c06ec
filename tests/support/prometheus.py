"""A real Prometheus of a test's own: it scrapes its targets every second, and evaluates rules as often."""

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localcluster.ports import free_ports
from support.api import until
from support.cluster import ROOT
from support.processes import running
from support.programs import program

RULES = ROOT / "manifests" / "monitoring" / "rules.yaml"


class Prometheus:
    """Queries to a running Prometheus."""

    def __init__(self, address: str) -> None:
        self.url = f"http://{address}"

    def get(self, path: str, **parameters: str) -> Any:
        """The data of an answer; raises if the query is refused."""
        with urllib.request.urlopen(f"{self.url}{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def query(self, text: str) -> list[Any]:
        """The series of a query, now."""
        return self.get("/api/v1/query", query=text)["result"]

    def alerts(self, state: str = "firing") -> set[str]:
        """The names of the alerts in this state."""
        return {
            alert["labels"]["alertname"] for alert in self.get("/api/v1/alerts")["alerts"] if alert["state"] == state
        }

    def answers(self) -> bool:
        """Check that it serves."""
        try:
            return bool(self.query("vector(1)"))
        except OSError:
            return False


@contextmanager
def prometheus_of(folder: Path, targets: Sequence[int], rules: Path, address: str = "") -> Iterator[Prometheus]:
    """Run one that scrapes ports of this machine until the block ends. Without an address it takes a free one."""
    address = address or f"127.0.0.1:{free_ports(1)[0]}"
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [
            {"job_name": "any", "static_configs": [{"targets": [f"127.0.0.1:{port}" for port in targets]}]}
        ],
    }
    (folder / "prometheus.json").write_text(json.dumps(config))
    options = (
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    )
    with running(folder / "prometheus.log", str(program("prometheus")), *options):
        made = Prometheus(address)
        until(made.answers, 60, f"Prometheus answers: see {folder}")
        yield made
