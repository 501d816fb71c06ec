"""The model of one incident has its properties in every state, and a bug that is seeded into it is found."""

import pytest
from integration.model.spin import MODEL, verify

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

SMALL = ("ATTEMPTS=1", "REPLANS=1", "WAITS=1", "CRASHES=1", "STALLS=1", "LOSSES=1")
EFFECT = "effects["
CHECK_END = "said"
DEADLOCK = "invalid end state"
ORDERS = "number"
ENDLESS = "non-progress cycle"


def test_at_most_one_effect_and_undo_restores_or_says_so_and_every_incident_ends(tmp_path):
    found = verify(tmp_path, MODEL.read_text())
    assert (found.complete, found.errors) == (True, 0), found.output


def test_no_run_is_endless(tmp_path):
    found = verify(tmp_path, MODEL.read_text(), defines=SMALL, cycles=True)
    assert (found.complete, found.errors) == (True, 0), found.output


def test_a_write_of_an_earlier_attempt_that_guards_refuse_meanwhile_goes_unreported(tmp_path):
    """The weakness that docs/formal-model.md names. When this fails it is gone: remove the assumption."""
    found = verify(tmp_path, MODEL.read_text(), defines=["UNFENCED"])
    assert CHECK_END in found.violation


BUGS = {
    "the patch does not test the generation": (
        "patch.generation == workload.generation && WRITE_IS_NEXT",
        "WRITE_IS_NEXT",
        EFFECT,
    ),
    "the last action is not compared": (
        "(workload.action != own.last || workload.template != own.template)",
        "workload.template != own.template",
        EFFECT,
    ),
    "names of incidents are random": (":: effects[OPENING] == 0 -> effect(OPENING)", ":: effect(OPENING)", EFFECT),
    "a workflow is started twice": (":: effects[STARTING] == 0 -> effect(STARTING)", ":: effect(STARTING)", EFFECT),
    "a repeated order does not look for its own action": (
        ":: workload.action == own.action -> result = APPLIED\n    :: workload.action != own.action && ",
        ":: ",
        CHECK_END,
    ),
    "an undo without an answer is not told": (
        "RETURNED_UNKNOWN); end_as(ESCALATED, NOT_UNDONE,",
        "RETURNED_UNKNOWN); end_as(ESCALATED, NOTHING,",
        CHECK_END,
    ),
    "an unknown outcome counts as not written": (
        "end_as(ESCALATED, OUTCOME_UNKNOWN,",
        "end_as(ESCALATED, NOTHING,",
        CHECK_END,
    ),
    "the order of a dead worker is not repeated": (
        ":: atomic { state == RUNNING && orphaned -> give_back() }\n",
        "",
        DEADLOCK,
    ),
    "plans that no longer fit are made again without end": ("       replans++;\n", "", ORDERS),
    "an operator never gets beyond the opening": (":: losses > 0 -> losses--; goto open", ":: goto open", ENDLESS),
}


@pytest.mark.parametrize("bug", BUGS)
def test_a_seeded_bug_is_found(tmp_path, bug):
    right, wrong, violation = BUGS[bug]
    model = MODEL.read_text()
    assert model.count(right) == 1
    found = verify(tmp_path, model.replace(right, wrong), cycles=violation is ENDLESS)
    assert violation in found.violation
