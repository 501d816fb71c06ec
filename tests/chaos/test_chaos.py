"""Exactly one effect, whatever dies: the parts are killed and stopped at every point of many incidents' ways."""

from dataclasses import replace

import pytest
from chaos.house import apart, whole

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(0)]


def play(stand, chosen, house, rounds):
    """Play them, tell the figures, and judge."""
    if not rounds:
        pytest.skip("no round was asked for")
    before = len(stand.figures.problems)
    stand.say(f"chaos: {chosen}; rounds {rounds.start} to {rounds.stop - 1}; figures in {stand.folder}/figures.md")
    try:
        with stand.season(house, chosen) as season:
            season.play(rounds, chosen.ends)
            stand.figures.problems += [("end", one) for one in season.left_over()]
    finally:
        stand.figures.save()
        stand.say(f"{stand.figures.table()}\n{stand.figures.text()}\nchaos: all figures are in {stand.folder}")
    held(stand, before, chosen)


def held(stand, before, chosen):
    problems = stand.figures.problems[before:]
    rounds = "play a round again with PRUNELLA_CHAOS_FIRST, and PRUNELLA_CHAOS_ROUNDS or PRUNELLA_CHAOS_WHOLE = 1"
    assert not problems, "\n".join([*(f"{name}: {one}" for name, one in problems), f"{chosen}: {rounds}"])


@pytest.mark.chaos
def test_exactly_one_effect_whatever_dies(stand, chosen):
    play(stand, chosen, apart, range(chosen.first, chosen.first + chosen.rounds))


@pytest.mark.chaos
def test_exactly_one_effect_when_all_of_prunella_dies(stand, chosen):
    """`prunella run` with its own Temporal."""
    play(stand, chosen, whole, range(chosen.first, chosen.first + chosen.whole))


def test_exactly_one_effect_when_each_part_is_killed_once(stand, chosen):
    """The short round that is part of every test run."""
    before = len(stand.figures.problems)
    try:
        with stand.season(apart, replace(chosen, longest=3), short=True) as season:
            season.play(range(1))
            if len(stand.figures.struck) < len(season.house.victims):  # a point that was not reached is dealt again
                season.play(range(1, 2))
            assert len(stand.figures.struck) >= len(season.house.victims), "not every part was killed"
    finally:
        stand.say(stand.figures.text())
    held(stand, before, chosen)
