"""The four numbers, and the rows of the page of results."""

from benchmark.healer import BUILT_IN
from benchmark.judging import End, Verdict
from benchmark.page import PAGE, score, table, with_row
from benchmark.playing import Outcome
from benchmark.selection import ALL, SHORT
from support.audit import Write
from support.cases.table import CASES

WRITE = Write("patch", "apps/deployments", "n", "checkout", 200, "u", "a", "/", "2026-11-29T12:00:00Z")
OUTCOMES = [
    Outcome(CASES["bad-release"], Verdict(End.HEALED, seconds=20.0)),
    Outcome(CASES["oom-killed"], Verdict(End.HEALED, seconds=40.0)),
    Outcome(CASES["image-pull"], Verdict(End.BY_ITSELF)),
    Outcome(CASES["gitops"], Verdict(End.WRITTEN_TO, (WRITE,))),
    Outcome(CASES["bad-data"], Verdict(End.LEFT_ALONE)),
    Outcome(CASES["paused"], error="not played: no namespace"),
]


def test_the_four_numbers_are_counted_apart():
    assert score(OUTCOMES).cells == ("2 of 3", "1 of 2", "1", "30 s", "1")
    unjudged = Outcome(CASES["paused"], error="not played: no namespace", unjudged=(WRITE, WRITE))
    assert score([unjudged]).cells == ("0 of 0", "0 of 0", "0", "", "1, with 2 writes")
    assert score([]).cells == ("0 of 0", "0 of 0", "0", "", "0")


def test_the_table_marks_what_was_wrong():
    text = table(OUTCOMES)
    assert "| bad-release | healed | healed |  | 20 |" in text
    assert "| image-pull | healed | **served without a repair** |  |  |" in text
    assert "| gitops | left alone | **written to** | patch apps/deployments/checkout |  |" in text
    assert "| paused | left alone | **not played: no namespace** |  |  |" in text
    unjudged = Outcome(CASES["paused"], error="not played: no namespace", unjudged=(WRITE,))
    assert "| **not played: no namespace** | patch apps/deployments/checkout |  |" in table([unjudged])


def test_a_row_is_replaced_or_added():
    page = "# Results\n\n| healer | cases |\n|---|---|\n| none | short | not run |\n\nThe end.\n"
    once = with_row(page, "none", "short", score(OUTCOMES), "29 November 2026, abc")
    assert "| none | short | 2 of 3 | 1 of 2 | 1 | 30 s | 1 | 29 November 2026, abc |\n\nThe end.\n" in once
    assert "not run" not in once
    twice = with_row(once, "mine", "short", score([]), "today")
    assert "abc |\n| mine | short | 0 of 0 |" in twice
    assert with_row(twice, "mine", "short", score([]), "today") == twice


def test_the_page_of_results_has_a_row_for_every_built_in_healer():
    text = PAGE.read_text()
    assert [(name, kind) for name in BUILT_IN for kind in (SHORT, ALL) if f"\n| {name} | {kind} |" not in text] == []
