"""`prunella report`: figures, forms, and what is said when it cannot be made."""

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
    *(healed(f"h{number}", 10 * number) for number in range(1, 11)),
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
def known(prunella):
    prunella.reader.raw = list(EVERYTHING)
    return prunella


def test_median_and_p90():
    assert Percentiles.from_values([3.0, None, 1.0, 2.0]) == Percentiles(2.0, 3.0)
    assert Percentiles.from_values(range(1, 11)) == Percentiles(5.5, 9)
    assert Percentiles.from_values([None]) == Percentiles(None, None)


def test_the_report_for_people(known):
    printed = known("report").stdout
    for line in (
        "Prunella from 2026-10-26 12:00 to 2026-11-25 12:00 UTC (30d), all namespaces",
        r"Incidents +14 \(1 open\)",
        r"Auto-repair rate +92 % \(11 healed of 12 that needed a repair\)",
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
    assert known.reader.asked == [(None, "")]


def test_minutes_that_an_incident_costs(known):
    assert "15.0 = 10 healed" in known("report", "--manual-minutes", "90").stdout
    assert known("report", "--manual-minutes", "-1").exit_code == 2


def test_the_report_for_machines(known):
    made = json.loads(known("report", "-o", "json", "--since", "7d", "-n", "shop").stdout)
    assert made["namespace"] == "shop"
    assert made["since"] == "2026-11-18T12:00:00+00:00"
    assert made["total"]["stats"]["repair"] == {"median": 55.0, "p90": 90.0}
    assert made["reasons"] == {"MemoryAtMaximum": 1}
    assert [line["name"] for line in made["causes"]] == ["bad_release", "(no cause found)", "pod_oom_killed"]
    assert len(made["days"]) == 8
    assert made["days"][-2] == {"day": "2026-11-24", "healed": 10, "recovered": 1, "escalated": 1, "other": 0}
    assert known.reader.asked == [("shop", "")]


class Assets(HTMLParser):
    """What a page would load."""

    def __init__(self):
        super().__init__()
        self.found, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.found += [value for name, value in attrs if name in {"src", "href", "action", "data"}]


def test_the_page_is_one_file_with_its_plots_and_a_dark_mode(known):
    known.reader.raw.append(escalated("e2", reason=HOSTILE))
    page = known("report", "--output", "html").stdout
    read = Assets()
    read.feed(page)
    assert page.startswith("<!doctype html>")
    assert read.found == []
    assert "script" not in read.tags
    assert "@import" not in page
    assert "url(" not in page
    assert "prefers-color-scheme: dark" in page
    assert page.count('role="img"') == 3, "per day, detection and healing"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: 1" in page
    assert "1.0m" not in page
    for words in ("per day", "1m40s", "x 30 min / 60", "By namespace", "By cause"):
        assert words in page


def test_a_page_about_nothing_says_so(prunella):
    page = prunella("report", "-o", "html").stdout
    assert "No incident was opened in this period." in page
    text = prunella("report").stdout
    assert re.search(r"Incidents +0 \(0 open\)", text)
    assert re.search(r"Detected in +- / -", text)


def test_a_long_time_has_wider_bars():
    made = build([parse(healed("a", 10, opened=NOW - timedelta(days=100)))], NOW - timedelta(days=364), NOW)
    assert (made.each, len(made.days)) == (12, 31)
    assert sum(day.total for day in made.days) == 1


def test_those_that_temporal_alone_knows(known):
    known.gone = [healed("gone", 7), EVERYTHING[0], healed("far", 7, namespace="billing")]
    assert "16 (1 open; 2 of them deleted, read from Temporal)" in known("report", "--deleted").stdout
    assert "1 of them" in known("report", "--deleted", "-n", "billing").stdout
    assert "deleted" not in known("report").stdout


def test_a_temporal_that_is_away_is_no_traceback(known):
    known.gone = TemporalUnavailable("no answer")
    result = known("report", "--deleted")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "error: Temporal: no answer. Without --deleted the report uses the Incident objects alone\n"


def test_who_may_not_read_everything_is_told_what_he_may(known):
    def forbidden(*_):
        raise Forbidden("incidents is forbidden")

    known.reader.find = forbidden
    assert "prunella report -n NAMESPACE" in known("report").stderr
    assert "NAMESPACE" not in known("report", "-n", "shop").stderr


@pytest.mark.parametrize("text", ["30days", "", "0s", "2027-01-01", "2026-13-01", "-3d"])
def test_a_time_that_makes_no_sense_is_wrong_usage(known, text):
    result = known("report", f"--since={text}")
    assert result.exit_code == 2
    assert "since" in result.stderr


@pytest.mark.parametrize(
    ("text", "begin"), [("12h", "2026-11-25T00:00"), ("1d12h", "2026-11-24T00:00"), ("2026-11-01", "2026-11-01T00:00")]
)
def test_since(text, begin):
    assert parse_start(text, NOW).isoformat()[:16] == begin


def test_the_help_teaches(prunella):
    text = prunella("report", "--help").stdout
    for words in ("Hours saved", "auto-repair rate", "report.html"):
        assert words in text
