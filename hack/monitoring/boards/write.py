"""The generated files and their places."""

import json
from collections.abc import Iterator
from pathlib import Path

from boards import incident, internals, orders, overview, pipeline, service, services, temporal
from boards.grafana import Dashboard

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "manifests" / "monitoring"
ORDERS = ROOT / "examples" / "orders" / "manifests"
DASHBOARDS: tuple[Dashboard, ...] = (
    overview.BOARD, incident.BOARD, internals.BOARD, temporal.BOARD, services.BOARD, service.BOARD, pipeline.BOARD,
)  # fmt: skip

_HEAD = """# The groups of rules.yaml for the Prometheus operator; written by `python hack/monitoring`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: prunella
  namespace: prunella-system
  labels:
    app.kubernetes.io/name: prunella
    app.kubernetes.io/part-of: prunella
    release: prometheus # what kube-prometheus-stack selects by; yours may look for another label
spec:
"""


def files() -> Iterator[tuple[Path, str]]:
    """Each file with its text."""
    yield FOLDER / "prometheusrule.yaml", prometheus_rule((FOLDER / "rules.yaml").read_text())
    for folder, boards in ((FOLDER, DASHBOARDS), (ORDERS, (orders.BOARD,))):
        for board in boards:
            yield _path(folder, board), json.dumps(board.to_json(), indent=2) + "\n"


def paths() -> dict[str, Path]:
    """The file of each dashboard, by the name of the dashboard."""
    return {path.stem: path for path, _ in files() if path.suffix == ".json"}


def _path(folder: Path, board: Dashboard) -> Path:
    return folder / "dashboards" / f"{board.uid.removeprefix('prunella-')}.json"


def prometheus_rule(rules: str) -> str:
    """The same groups, copied literally from the plain file and indented by two more columns."""
    groups = rules[rules.index("groups:") :]
    return _HEAD + "".join(f"  {line}" if line.strip() else line for line in groups.splitlines(keepends=True))


def write_all() -> None:
    """Write the files that differ or are missing."""
    for path, text in files():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
