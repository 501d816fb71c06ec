"""The shadow score on a real cluster: scripted people after observed incidents, and a twin that Prunella heals.

Minutes stand for hours: health counts after 75 seconds instead of 30 minutes, and the time ends after six minutes
instead of 24 hours. The rest is what the operator does.
"""

from pathlib import Path

import pytest
from support.cases.watched import BEYOND, WATCHED
from support.cases.watching import WatchingRun, table

pytestmark = [pytest.mark.shadow, pytest.mark.timeout(3600, func_only=False)]

_RIGHT = 0.95
_TABLE = Path(__file__).parents[2] / "build" / "shadow.md"


@pytest.fixture(scope="module")
def judged(cluster, accounts, prunella, log_progress):
    """All cases, played and judged."""
    users = tuple(made.user for made in accounts.values())
    run = WatchingRun((*WATCHED, *BEYOND), cluster, prunella, users, log_progress)
    try:
        found = run.play()
    finally:
        run.clear()
    _TABLE.parent.mkdir(exist_ok=True)
    _TABLE.write_text(table(found))
    log_progress(table(found))
    return found


@pytest.fixture
def watched(judged):
    return [one for one in judged if one.case in WATCHED]


def test_what_happened_is_classified_right(watched):
    wrong = [one.cells for one in watched if not one.right]
    assert len(wrong) <= len(watched) * (1 - _RIGHT), wrong


def test_no_heal_is_claimed_that_our_own_repair_does_not_achieve(watched):
    assert not [one.cells for one in watched if one.claims_falsely]


@pytest.mark.xfail(reason="docs/shadow.md: a correction elsewhere just before more memory counts as the same change")
def test_a_correction_elsewhere_is_told_apart(judged):
    assert not [one.cells for one in judged if one.case in BEYOND and one.claims_falsely]
