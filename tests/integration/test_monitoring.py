"""The shipped rules and dashboards in real programs of Prometheus: no cluster is needed, only what is built for one."""

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml
from localcluster import scraping
from localcluster.instance import Instance
from localcluster.ports import free_ports
from support import boards
from support.api import until
from support.processes import running
from support.programs import program
from support.prometheus import RULES, prometheus_of
from support.promql import metrics_of

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120, func_only=True)]  # a first build takes minutes

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "manifests" / "monitoring"
CASES = sorted((Path(__file__).parent / "rules").glob("*.yaml"))
BOARDS = {path.stem: json.loads(path.read_text()) for path in sorted((MONITORING / "dashboards").glob("*.json"))}
WITHOUT_SQL = [name for name, board in BOARDS.items() if not boards.rows_wanted(board)]
CHOSEN = {"$__range": "1m", "$__rate_interval": "10s", "$namespace": "shop", "$workload": "web"}


@pytest.fixture(scope="session")
def promtool():
    """Run promtool and return its output."""
    path = program("promtool")

    def promtool(*arguments):
        return subprocess.run([path, *arguments], capture_output=True, text=True, timeout=100, check=False)

    return promtool


# Rules


def test_the_rules_are_well_formed(promtool):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "18 rules found" in done.stdout


@pytest.mark.parametrize("cases", CASES, ids=[path.stem for path in CASES])
def test_every_alert_fires_when_it_should_and_only_then(promtool, cases):
    done = promtool("test", "rules", str(cases))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_case_that_is_wrong_is_found(promtool, tmp_path):
    """Otherwise all of the above would prove nothing."""
    wrong = yaml.safe_load(CASES[0].read_text())
    wrong["rule_files"] = [str(RULES)]
    wrong["tests"][0]["alert_rule_test"] = [{"eval_time": "14h", "alertname": "PrunellaIncidentsStuck"}]
    (file := tmp_path / "wrong.yaml").write_text(yaml.safe_dump(wrong))
    assert promtool("test", "rules", str(file)).returncode == 1


def test_the_local_clusters_prometheus_takes_the_rules(promtool, tmp_path):
    config = scraping.configuration(Instance("test", 7), tmp_path, 9093)
    assert config["rule_files"][0] == str(RULES)
    (file := tmp_path / "prometheus.json").write_text(json.dumps(config))
    done = promtool("check", "config", "--syntax-only", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


# A real Prometheus


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """A Prometheus with the shipped rules, which scrapes the real /metrics of a busy process."""
    folder = tmp_path_factory.mktemp("prometheus")
    (target,) = free_ports(1)
    command = [sys.executable, "-m", "support.exposition", str(target)]
    path = os.pathsep.join(str(ROOT / name) for name in ("tests", "operator", "workflows"))
    with (
        running(folder / "exposition.log", *command, env={**os.environ, "PYTHONPATH": path}),
        prometheus_of(folder, [target], RULES) as made,
    ):
        until(lambda: made.query("prunella_ready"), 60, f"a first scrape: see {folder}")
        yield made


def filled(query):
    """A query as Grafana sends it."""
    for name, value in CHOSEN.items():
        query = query.replace(name, value)
    return query


def has_numbers(result):
    return any(not math.isnan(float(series["value"][1])) for series in result)


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_query_of_a_dashboard_returns_data(prometheus, board):
    waiting = {filled(query) for query in boards.series_wanted(board)}
    end = time.monotonic() + 60
    while waiting and time.monotonic() < end:
        waiting = {query for query in waiting if not has_numbers(prometheus.query(query))}
        time.sleep(1)
    assert waiting == set()


@pytest.mark.parametrize("board", WITHOUT_SQL)
def test_a_dashboard_is_drawn_by_its_command(prometheus, board):
    until(lambda: prometheus.query("rate(prunella_signals_total[10s])"), 60, "two scrapes")
    chosen = [
        f"--set={name}={value}" for name, value in (("namespace", "shop"), ("workload", "web"), ("incident", "x"))
    ]
    command = [sys.executable, str(ROOT / "hack" / "monitoring"), "draw", board, prometheus.url, "--minutes=1", *chosen]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    words = "".join(ET.fromstring(done.stdout).itertext())
    titles = [panel["title"] for panel in BOARDS[board]["panels"]]
    assert [title for title in titles if title not in words] == []


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_every_choice_of_a_dashboard_has_values(prometheus, board):
    for variable in board["templating"]["list"]:
        if variable["type"] == "query" and variable["datasource"]["type"] == "prometheus":
            metric, label = variable["definition"].removeprefix("label_values(").removesuffix(")").split(", ")
            assert prometheus.get(f"/api/v1/label/{label}/values", **{"match[]": metric})


def test_prometheus_evaluates_every_rule(prometheus):
    def rules():
        found = [rule for group in prometheus.get("/api/v1/rules")["groups"] for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else None

    found = until(rules, 60, "all rules are evaluated")
    assert {rule["name"]: rule["health"] for rule in found} == {
        rule["alert"]: "ok" for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]
    }


def test_what_happens_at_this_target_is_told(prometheus):
    """A real Prometheus evaluates the conditions that need no waiting, on series of the real registry."""

    wanted = {"PrunellaUndoFailing", "PrunellaBudgetExhausted", "PrunellaWorkflowTaskFailures"}
    until(lambda: wanted <= prometheus.alerts(), 60, "the alerts without a delay fire", every=1)
    assert not prometheus.alerts() & {
        "PrunellaDown",
        "PrunellaSensorBlind",
        "PrunellaTemporalUnreachable",
        "TaskQueueBacklog",
    }


def test_the_queries_of_the_runbooks_are_understood(prometheus):
    for page in sorted((ROOT / "docs" / "runbooks").glob("*.md")):
        for block in page.read_text().split("```promql\n")[1:]:
            query = block.partition("```")[0]
            assert metrics_of(query)
            prometheus.query(query)  # raises if it is refused
