"""The page about alerts agrees with the code: rules, labels, answers, outcomes, and an example that works."""

import importlib.util
import re
import sys
from pathlib import Path

import yaml

from prunella_operator.alerts import webhook
from prunella_operator.config.settings import Settings
from prunella_workflows.alerts.workflow import FORGET_AFTER_INTERVAL
from prunella_workflows.contracts.alerts import Outcome
from prunella_workflows.decisions.alert_classification import _SEVERITIES, BUILT_IN, CAUSES, DEFAULTS, KIND_LABELS
from prunella_workflows.model.alert_policy import AlertHandlingMode

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "alerts.md"
spec = importlib.util.spec_from_file_location("alert_pages", ROOT / "docs" / "pages.py")
pages = importlib.util.module_from_spec(spec)
sys.modules["alert_pages"] = pages
spec.loader.exec_module(pages)


def table(*header):
    """The rows of the table that begins with these header cells, without backticks."""
    rows = list(pages.tables(PAGE))
    start = next(index for index, row in enumerate(rows) if tuple(row[: len(header)]) == header)
    found = []
    for row in rows[start + 1 :]:
        if len(row) != len(rows[start]) or not row[0].startswith("`"):
            break
        found.append([cell.replace("`", "") for cell in row])
    return found


def test_built_in_rules():
    said = {row[0]: (row[1], row[2]) for row in table("alert", "type of the Incident")}
    known = {
        name: (
            rule.type.value if rule.workload else "no workload",
            rule.handling.value if rule.handling else "by severity",
        )
        for name, rule in BUILT_IN.items()
    }
    assert said == known


def test_labels():
    assert [row[0] for row in table("label", "means")] == [*KIND_LABELS, "workload", "pod"]


def test_causes():
    text = PAGE.read_text()
    (said,) = re.findall(r"`prunella_cause` says what the trouble is: (.*?)\. It chooses", text)
    assert set(re.findall(r"`(\w+)`", said)) == set(CAUSES)


def test_severities():
    said = {row[1]: row[0] for row in table("severity label", "is")}
    for severity, words in _SEVERITIES.items():
        assert set(re.findall(r"\w+", said[severity.value])) - {"anything", "else", "nothing"} == set(words)


def test_handling_and_outcomes():
    assert {row[0] for row in table("`handling`", "means")} == {mode.value for mode in AlertHandlingMode}
    assert {row[0] for row in table("outcome", "means")} == {outcome.value for outcome in Outcome if outcome}


def test_status_codes():
    source = Path(webhook.__file__).read_text()
    given = set(re.findall(r"_response\((\d{3})", source)) | {"405"}
    assert {row[0] for row in table("code", "means")} == given


def test_figures():
    text = PAGE.read_text()
    settings = Settings.load({})
    assert f"port {settings.webhook_port}" in text
    assert settings.webhook_max_body == 1 << 20
    assert DEFAULTS.window == 300
    assert (FORGET_AFTER_INTERVAL.days, "for three days" in text) == (3, True)


def test_the_receiver_that_is_shipped_fits_the_webhook():
    shipped = yaml.safe_load((ROOT / "manifests" / "monitoring" / "alertmanager-receiver.yaml").read_text())
    (receiver,) = shipped["receivers"]
    (config,) = receiver["webhook_configs"]
    assert config["url"].endswith(f":{Settings.load({}).webhook_port}{webhook.PATH}")
    assert (config["send_resolved"], config["max_alerts"]) == (True, 0)
    assert config["http_config"]["authorization"]["type"] == "Bearer"
    assert [route["receiver"] for route in shipped["route"]["routes"]] == [receiver["name"]]
