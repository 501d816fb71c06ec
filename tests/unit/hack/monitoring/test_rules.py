"""The shipped alerts: both files say the same, every metric exists, every alert has its page and its cases."""

import re
from pathlib import Path

import pytest
import yaml
from boards import write
from support.promql import metrics_of, of_temporals_core, registered, unknown

ROOT = Path(__file__).parents[4]
MONITORING = ROOT / "manifests" / "monitoring"
GROUPS = yaml.safe_load((MONITORING / "rules.yaml").read_text())["groups"]
RULES = [rule for group in GROUPS for rule in group["rules"]]
CASES = sorted((ROOT / "tests" / "integration" / "rules").glob("*.yaml"))
EACH = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


def test_the_four_of_the_workflows_keep_their_names_limits_and_times():
    found = {rule["alert"]: (rule["expr"].split()[-1], rule["for"], rule["labels"]["severity"]) for rule in RULES[:4]}
    assert found == {
        "LongRunningWorkflow": ("300", "5m", "warning"),
        "HighWorkflowFailureRate": ("0.1", "5m", "critical"),
        "ExcessiveActivityRetries": ("5", "5m", "warning"),
        "TaskQueueBacklog": ("1000", "10m", "warning"),
    }


def test_both_files_have_the_same_groups():
    rule = yaml.safe_load((MONITORING / "prometheusrule.yaml").read_text())
    assert (rule["apiVersion"], rule["kind"]) == ("monitoring.coreos.com/v1", "PrometheusRule")
    assert rule["spec"] == {"groups": GROUPS}


@pytest.mark.parametrize(("path", "text"), list(write.files()), ids=lambda name: getattr(name, "name", ""))
def test_what_is_generated_is_up_to_date(path, text):
    assert path.read_text() == text, "run: python hack/monitoring"


@EACH
def test_every_metric_exists(rule):
    assert metrics_of(rule["expr"])
    assert unknown(rule["expr"]) == set()


@EACH
def test_every_alert_says_what_it_is_about_and_where_to_read_on(rule):
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{rule['alert']}.md"


@EACH
def test_every_alert_has_its_page(rule):
    text = (ROOT / rule["annotations"]["runbook_url"]).read_text()
    assert text.startswith(f"# {rule['alert']}\n")
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert sections == ["What it means", "Check", "Next step"]
    assert f"**{rule['labels']['severity'].capitalize()}**" in text
    for query in re.findall(r"^```promql\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        assert unknown(query) == set()


def test_every_page_has_its_alert():
    pages = {path.stem for path in (ROOT / "docs" / "runbooks").glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in RULES}


@EACH
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(rule):
    cases = [case for path in CASES for test in yaml.safe_load(path.read_text())["tests"] for case in _of(test, rule)]
    assert any(case.get("exp_alerts") for case in cases)
    assert any(not case.get("exp_alerts") for case in cases)


def _of(test, rule):
    return [case for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]


# What these tests stand on


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("up", {"up"}),
        ('sum by (le, a) (rate(x_bucket{b=~"c|d",e="f"}[5m])) / on (g) y > bool 0.5', {"x_bucket", "y"}),
        ("a offset 15m unless b and (c or vector(0)) > inf", {"a", "b", "c"}),
        ("increase(a_total[$__range]) * 2e3", {"a_total"}),
    ],
)
def test_metrics_of_a_query(query, names):
    assert metrics_of(query) == names


def test_metrics_that_do_not_exist_are_found():
    assert unknown("prunella_ready + prunella_steady") == {"prunella_steady"}
    assert of_temporals_core("temporal_sdk_request_latency_seconds_bucket")
    assert not of_temporals_core("temporal_sdk_request_patience_total")
    assert "prunella_stage_seconds_bucket" in registered()
