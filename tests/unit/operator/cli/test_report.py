"""`prunella report`: statistics, formats and errors."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from fakes.incidents import incident

from prunella_operator.incidents.client import parse
from prunella_operator.reporting.report import build, parse_start
from prunella_operator.reporting.statistics import Percentiles
from prunella_operator.temporal.rpc import TemporalUnavailable
from prunella_workflows.model.errors import Forbidden

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"
APPROVED = [{"type": "Approved", "status": "True", "reason": "Approved", "lastTransitionTime": "2026-11-24T11:00:30Z"}]


def healed(name, seconds, *, cause="bad_release", namespace="shop", opened=NOW - timedelta(days=1), **status):
    fault = opened - timedelta(seconds=2)
    times = {
        "faultAt": fault.isoformat(),
        "detectedAt": opened.isoformat(),
        "healedAt": (opened + timedelta(seconds=seconds)).isoformat(),
    }
    raw = incident(name, namespace, phase="Healed", rootCause=cause, times=times, **status)
    raw["metadata"]["creationTimestamp"] = opened.isoformat()
    return raw


def escalated(name, reason="MemoryAtMaximum", **values):
    note = {"reason": reason, "message": "no more"}
    return incident(name, phase="Escalated", rootCause="pod_oom_killed", escalation=note, **values)


EVERYTHING = [
    healed("h1", 10, reason="ServedByExistingPods"),
    *(healed(f"h{number}", 10 * number) for number in range(2, 11)),
    healed("approved", 100, cause="pod_oom_killed", namespace="billing", conditions=APPROVED),
    escalated("e1"),
    incident("r1", phase="Recovered"),
    incident("open", "billing"),
    healed("old", 5000, opened=NOW - timedelta(days=40)),
]


@pytest.fixture(autouse=True)
def at_noon(monkeypatch):
    monkeypatch.setattr("prunella_operator.clock.now", lambda: NOW)


@pytest.fixture
def cli(prunella):
    prunella.reader.raw = list(EVERYTHING)
    return prunella


def test_median_and_p90():
    assert Percentiles.from_values([3.0, None, 1.0, 2.0]) == Percentiles(2.0, 3.0)
    assert Percentiles.from_values(range(1, 11)) == Percentiles(5.5, 9)
    assert Percentiles.from_values([None]) == Percentiles(None, None)


def test_text_report(cli):
    printed = cli("report").stdout
    for line in (
        "Prunella from 2026-10-26 12:00 to 2026-11-25 12:00 UTC (30d), all namespaces",
        r"Incidents +14 \(1 open\)",
        r"Auto-repair rate +92 % \(11 healed of 12 that needed a repair\)",
        r"Not proven +1 served by pods from before the repair only",
        r"Recovered +1 without a repair",
        r"Escalated +1: MemoryAtMaximum 1",
        r"Detected in +2.0s / 2.0s",
        r"Healed in +1m / 1m40s",
        r"Hours saved +5.0 = 10 healed without approval x 30 min / 60",
        r"shop +12 +0 +10 +1 +1 +91 % +2.0s / 2.0s +55s / 1m30s +5.0 h",
        r"billing +2 +1 +1 +0 +0 +100 % +2.0s / 2.0s +1m40s / 1m40s +0.0 h",
        r"pod_oom_killed +2 +0 +1 +0 +1 +50 %",
        r"\(no cause found\) +2 +1 +0 +1 +0 +-",
    ):
        assert re.search(line if "\\" in line or "+" in line else re.escape(line), printed), f"{line}\n{printed}"
    assert cli.reader.queries == [(None, "")]


def test_manual_minutes(cli):
    assert "15.0 = 10 healed" in cli("report", "--manual-minutes", "90").stdout
    assert cli("report", "--manual-minutes", "-1").exit_code == 2


def test_json_report(cli):
    report = json.loads(cli("report", "-o", "json", "--since", "7d", "-n", "shop").stdout)
    assert (report["kind"], report["namespace"]) == ("Report", "shop")
    assert report["since"] == "2026-11-18T12:00:00+00:00"
    assert report["total"]["stats"]["repair"] == {"median": 55.0, "p90": 90.0}
    assert report["reasons"] == {"MemoryAtMaximum": 1}
    assert [line["name"] for line in report["causes"]] == ["bad_release", "(no cause found)", "pod_oom_killed"]
    assert len(report["days"]) == 8
    assert report["days"][-2] == {"day": "2026-11-24", "healed": 10, "recovered": 1, "escalated": 1, "other": 0}
    assert cli.reader.queries == [("shop", "")]


class Assets(HTMLParser):
    """External resources of a page."""

    def __init__(self):
        super().__init__()
        self.assets, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.assets += [value for name, value in attrs if name in {"src", "href", "action", "data"}]


def test_the_page_is_one_file_with_its_plots_and_a_dark_mode(cli):
    cli.reader.raw.append(escalated("e2", reason=HOSTILE))
    page = cli("report", "--output", "html").stdout
    read = Assets()
    read.feed(page)
    assert page.startswith("<!doctype html>")
    assert read.assets == []
    assert "script" not in read.tags
    assert "@import" not in page
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    assert page.count('role="img"') == 3, "per day, detection and healing"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: 1" in page
    assert "1.0m" not in page
    for text in ("per day", "1m40s", "x 30 min / 60", "By namespace", "By cause"):
        assert text in page


def test_a_report_without_incidents(prunella):
    page = prunella("report", "-o", "html").stdout
    assert "No incident was opened in this period." in page
    text = prunella("report").stdout
    assert re.search(r"Incidents +0 \(0 open\)", text)
    assert re.search(r"Detected in +- / -", text)


def test_a_long_period_has_wider_bars():
    report = build([parse(healed("a", 10, opened=NOW - timedelta(days=100)))], NOW - timedelta(days=364), NOW)
    assert (report.each, len(report.days)) == (12, 31)
    assert sum(day.total for day in report.days) == 1


def test_deleted_incidents_are_read_from_temporal(cli):
    cli.archived = [healed("gone", 7), EVERYTHING[0], healed("far", 7, namespace="billing")]
    assert "16 (1 open; 2 of them deleted, read from Temporal)" in cli("report", "--deleted").stdout
    assert "1 of them" in cli("report", "--deleted", "-n", "billing").stdout
    assert "deleted" not in cli("report").stdout


def test_an_unavailable_temporal_is_one_message(cli):
    cli.archived = TemporalUnavailable("no answer")
    result = cli("report", "--deleted")
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr == "error: Temporal: no answer. Without --deleted the report uses the Incident objects alone\n"


def test_a_user_restricted_to_namespaces_gets_a_hint(cli):
    def forbidden(*_):
        raise Forbidden("incidents is forbidden")

    cli.reader.find = forbidden
    assert "prunella report -n NAMESPACE" in cli("report").stderr
    assert "NAMESPACE" not in cli("report", "-n", "shop").stderr


@pytest.mark.parametrize("text", ["30days", "", "0s", "2027-01-01", "2026-13-01", "-3d"])
def test_an_invalid_start_is_wrong_usage(cli, text):
    result = cli("report", f"--since={text}")
    assert result.exit_code == 2
    assert "since" in result.stderr


@pytest.mark.parametrize(
    ("text", "begin"), [("12h", "2026-11-25T00:00"), ("1d12h", "2026-11-24T00:00"), ("2026-11-01", "2026-11-01T00:00")]
)
def test_since(text, begin):
    assert parse_start(text, NOW).isoformat()[:16] == begin


def observed(name, outcome, minutes):
    times = {"closedAt": (NOW - timedelta(hours=5)).isoformat()}
    changed = (NOW - timedelta(hours=5) + timedelta(minutes=minutes)).isoformat()
    aftermath = {"outcome": outcome, "message": "m", "changedAt": changed, "decidedAt": NOW.isoformat()}
    return incident(name, phase="DryRunDone", plan="Restart it", times=times, aftermath=aftermath)


@pytest.fixture
def watched(cli):
    cli.reader.raw += [observed("o1", "SameChange", 23), observed("o2", "OtherChange", 3)]
    cli.reader.raw.append(incident("o3", phase="DryRunDone"))
    return cli


def test_the_shadow_score(watched):
    printed = watched("report", "--shadow").stdout
    assert (
        "Of 2 observed incidents with a plan, 1 would have been healed, in the median 23m before people did" in printed
    )
    assert "1 more showed no plan." in printed
    assert re.search(r"shop/Deployment/checkout +2 +1 +23m +0 +1 +0 +0 +0 +0 +0", printed)
    assert watched.reader.queries == [(None, "")]


def test_the_shadow_score_as_json(watched):
    report = json.loads(watched("report", "--shadow", "-o", "json", "-n", "shop").stdout)
    assert report["kind"] == "ShadowReport"
    assert report["sentence"].startswith("Of 2 observed incidents with a plan, 1 would have been healed")
    assert (report["total"]["healed"], report["total"]["lead"]["median"], report["planless"]) == (1, 1380.0, 1)


def test_the_shadow_score_where_nothing_was_only_observed(cli):
    assert "Of 0 observed incidents with a plan, 0 would have been healed." in cli("report", "--shadow").stdout


@pytest.mark.parametrize("option", [("-o", "html"), ("--deleted",)])
def test_the_shadow_score_has_no_page_and_no_deleted_incidents(cli, option):
    result = cli("report", "--shadow", *option)
    assert (result.exit_code, result.stdout) == (2, "")


def test_the_help_explains_the_numbers(prunella):
    printed = prunella("report", "--help").stdout
    for text in ("Hours saved", "auto-repair rate", "report.html"):
        assert text in printed
