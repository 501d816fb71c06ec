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


def test_what_happened_is_classified_right(judged):
    wrong = [one.cells for one in judged if one.case in WATCHED and not one.right]
    assert len(wrong) <= len(WATCHED) * (1 - _RIGHT), wrong


def test_no_heal_is_claimed_that_our_own_repair_does_not_achieve(judged):
    assert not [one.cells for one in judged if one.claims_falsely]
