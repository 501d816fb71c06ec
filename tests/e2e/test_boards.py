"""The shipped rules and dashboards at a real Prometheus, which scrapes a real Prunella that heals real faults.

Runs first, as every module that starts its own Prunella does: two of them would heal each other's faults.
"""

import json
import secrets
import time
import urllib.request
from datetime import datetime

import pytest
import yaml
from fakes.httpd import Answer, Httpd
from localcluster.ports import free_ports
from pictures import answers
from pictures.page import picture
from support import monitoring as monitored
from support import samples
from support.api import until
from support.cluster import ROOT
from support.deployments import a_deployment, a_namespace
from support.notifications import an_alert, body
from support.prometheus import RULES, Prometheus
from support.promql import metrics_of
from support.prunella import PrunellaProcess

from prunella_operator import clock
from prunella_operator.alerts.webhook import PATH

pytestmark = [pytest.mark.e2e, pytest.mark.run_first, pytest.mark.faults, pytest.mark.timeout(480, func_only=True)]

FOLDER = ROOT / "manifests" / "monitoring" / "dashboards"
BOARDS = {
    path.stem: json.loads(path.read_text())
    for path in sorted(FOLDER.glob("*.json"))
    if not path.stem.startswith("telemetry")  # tests/integration/telemetry has their database
}
ALERTS = {rule["alert"]: rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]}
STORIES = {"healed": "Healed", "undone": "Escalated", "shown": "DryRunDone"}
MI = 1 << 20
NOTHING = {
    "temporal_sdk_workflow_task_execution_failed_total": "no task of a workflow failed, or it would stand still",
    "temporal_sdk_request_failure_total": "Temporal refused nothing",
}
"""The metrics of queries that may return nothing: the core's counters with labels begin with their first event."""


@pytest.fixture(scope="module")
def monitoring(cluster):
    return monitored.start(cluster)


@pytest.fixture(scope="module")
def prometheus(monitoring):
    return Prometheus(f"{monitoring.instance.address}:9090")


@pytest.fixture(scope="module")
def namespaces(cluster):
    """One namespace for each scenario."""
    run = secrets.token_hex(2)
    made = {name: a_namespace(cluster.api, f"e2e-boards-{name}-{run}-", heal="enabled") for name in STORIES}
    yield made
    for name in made.values():
        cluster.api.delete(f"/api/v1/namespaces/{name}")


@pytest.fixture(scope="module")
def people(cluster, namespaces):
    """A chat and a ticket system for the escalation after an undo."""
    path = f"/api/v1/namespaces/{namespaces['undone']}/secrets"
    with Httpd(lambda _asked: Answer(body={"key": "T-1"})) as server:
        desk = {"type": "webhook", "url": f"http://127.0.0.1:{server.port}/", "key": "k" * 32}
        for kind, data in (("channel", {"url": f"json://127.0.0.1:{server.port}/"}), ("tickets", desk)):
            secret = {"metadata": {"name": kind}, "type": f"prunella.dev/{kind}", "stringData": data}
            cluster.api.create(path, secret)
        yield {"channels": ["channel"], "ticket": "tickets"}


@pytest.fixture(scope="module")
def watching(account, monitoring, namespaces, tmp_path_factory):
    """Prunella, at an address that this Prometheus reaches and scrapes."""
    folder = tmp_path_factory.mktemp("prunella-boards")
    host, (webhook,) = str(monitoring.instance.host_address), free_ports(1)
    settings = {"namespaces": ",".join(namespaces.values()), "http_host": host, "webhook_port": webhook}
    target = monitoring.targets / "e2e-boards.json"
    with PrunellaProcess(folder, account.kubeconfig, **settings) as process:
        port = process.settings["http_port"]
        target.write_text(json.dumps([{"targets": [f"{host}:{port}"], "labels": {"job": "prunella"}}]))
        yield process
        target.unlink()


@pytest.fixture(scope="module")
def window(cluster, watching, prometheus, namespaces, people):
    """Run all scenarios; their time window. The first scrape is before the first fault."""
    until(lambda: prometheus.query("prunella_ready"), 60, "Prunella is scraped", every=1)
    start = int(clock.now().timestamp())
    api = cluster.api
    rules = {"healed": {}, "undone": {"limits": {"attempts": 1}, "escalation": people}, "shown": {"mode": "Observe"}}
    for name, namespace in namespaces.items():
        needs = "500" if name == "undone" else "90"
        broken = a_deployment(namespace, replicas=1, memory="64Mi", env={"SHOP_MEMORY_MIB": needs})
        api.apply(samples.policy(namespace, **rules[name]), broken)
    post(watching, an_alert(labels={"alertname": "KubeNodeNotReady", "severity": "critical", "node": "node-1"}))
    for name, phase in STORIES.items():
        until(lambda: ended(api, namespaces[name]) == [phase], 300, f"{name} ends", every=1)  # noqa: B023 - at once
    cpu = f'rate(container_cpu_usage_seconds_total{{namespace="{namespaces["healed"]}",container="app"}}[1m])'
    until(lambda: prometheus.query(cpu), 90, "the kubelet has measured the healed pod twice", every=1)
    time.sleep(15)  # two scrapes, and what happens after an end: calls, tickets
    return answers.Window(start - 60, int(clock.now().timestamp()))


def ended(api, namespace):
    phases = [(incident.get("status") or {}).get("phase") for incident in api.incidents(namespace)]
    return phases if set(phases) <= set(STORIES.values()) else []


def post(process, *alerts):
    url = f"http://127.0.0.1:{process.settings['webhook_port']}{PATH}"
    request = urllib.request.Request(url, body(*alerts), {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()


# Rules


def test_every_rule_is_loaded_and_is_evaluated(prometheus, window):
    groups = prometheus.get("/api/v1/rules")["groups"]
    rules = [rule for group in groups if group["file"] == str(RULES) for rule in group["rules"]]
    said = {rule["name"]: (rule["health"], rule.get("lastError", "")) for rule in rules}
    assert said == dict.fromkeys(ALERTS, ("ok", ""))


def test_a_prunella_that_works_sets_no_alert_off(prometheus, window):
    """Alerts about its absence were right before its start. One looks back an hour, at earlier runs in this cluster."""
    ours = ALERTS.keys() - {"PrunellaRepairsFailing"}
    until(lambda: not (prometheus.alerts() | prometheus.alerts("pending")) & ours, 60, "no alert is on", every=1)


def test_a_prunella_that_is_away_is_told_to_alertmanager(monitoring, prometheus, watching, window):
    """The shipped rule without its delay fires; the shipped one is pending meanwhile."""
    file = monitoring.rules / "e2e-boards.json"
    hasty = {**ALERTS["PrunellaDown"], "for": "0s", "labels": {"severity": "critical", "hasty": "yes"}}
    file.write_text(json.dumps({"groups": [{"name": "e2e-boards", "interval": "1s", "rules": [hasty]}]}))
    monitoring.reload()
    try:
        watching.stop()
        until(lambda: "PrunellaDown" in told(monitoring), 60, "Alertmanager has PrunellaDown", every=1)
        until(lambda: "PrunellaDown" in prometheus.alerts("pending"), 30, "the shipped rule holds too", every=1)
        watching.start()
        watching.wait_ready()
        until(lambda: "PrunellaDown" not in told(monitoring), 60, "it is over", every=1)
    finally:
        file.unlink()
        monitoring.reload()


def told(monitoring):
    url = f"{monitoring.alertmanager}/api/v2/alerts?filter=hasty=yes"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return {alert["labels"]["alertname"] for alert in json.load(answer)}


# Dashboards


@pytest.fixture(scope="module")
def chosen(namespaces):
    """The variables that a reader of the dashboards chooses."""
    return {"namespace": namespaces["healed"], "workload": "web", "incident": "web"}


def asked(monitoring, board, window, chosen):
    """Each query of a dashboard, with the answer of a real Prometheus."""
    source = answers.Prometheus(monitoring.prometheus)
    for target in (target for panel in board["panels"] for target in panel.get("targets", ())):
        yield target["expr"], list(answers.lines_of(target, source, window, chosen))


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_query_of_a_dashboard_has_data(monitoring, board, window, chosen):
    empty = [query for query, found in asked(monitoring, board, window, chosen) if not found]
    assert [query for query in empty if not metrics_of(query) & NOTHING.keys()] == []


def test_what_may_have_no_data_is_asked_for():
    queries = [
        target["expr"] for board in BOARDS.values() for panel in board["panels"] for target in panel.get("targets", ())
    ]
    assert NOTHING.keys() - set().union(*map(metrics_of, queries)) == set()


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_can_be_drawn(monitoring, board, window, chosen):
    assert picture(board, answers.Prometheus(monitoring.prometheus), window, chosen).endswith("</svg>\n")


def value_of(monitoring, board, title, window):
    """The newest numbers of a panel, by the names of its series."""
    (panel,) = [item for item in BOARDS[board]["panels"] if item["title"] == title]
    found = answers.lines(panel, answers.Prometheus(monitoring.prometheus), window, {})
    return {line.name: line.last for line in found}


def test_the_overview_says_what_happened(monitoring, window):
    """Rounded: `increase` extrapolates to the whole window, of which slightly less was scraped."""
    said = {title: value_of(monitoring, "overview", title, window) for title in (
        "Auto-repair rate", "Top causes", "Guards that blocked", "Repairs by action and verdict", "Open incidents"
    )}  # fmt: skip
    assert said["Open incidents"] == {"": 0}
    assert said["Auto-repair rate"] == {"": pytest.approx(0.5)}
    assert {name: round(value) for name, value in said["Top causes"].items()} == {"pod_oom_killed": 3}
    assert {name: round(value) for name, value in said["Repairs by action and verdict"].items()} == {
        "SetMemory: Healed": 1,
        "SetMemory: NotHealed": 1,
    }
    assert said["Guards that blocked"].get("Mode: ObserveMode") == 1, "the first event of a series counts"


def test_times_are_told_as_they_were(cluster, monitoring, namespaces, window):
    """The mean of the only healing, as in its status."""
    (healed,) = cluster.api.incidents(namespaces["healed"])
    began, ended = (datetime.fromisoformat(healed["status"]["times"][name]) for name in ("detectedAt", "healedAt"))
    said = value_of(monitoring, "overview", "Mean time to repair", window)
    assert said == {"": pytest.approx((ended - began).total_seconds(), abs=1)}
