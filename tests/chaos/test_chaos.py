"""Exactly one effect, whatever dies: the parts are killed and stopped at every point of many incidents' ways."""

import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.chaos]


@pytest.mark.timeout(0)
def test_exactly_one_effect_whatever_dies(season, chosen, say):
    say(f"chaos: {chosen} PRUNELLA_CHAOS_FIRST={chosen.first} PRUNELLA_CHAOS_ROUNDS={chosen.rounds}")
    try:
        season.play()
    finally:
        say(season.table())
    failed = sorted({number for number, _ in season.problems})
    one_again = f"play one again with {chosen} PRUNELLA_CHAOS_ROUNDS=1 PRUNELLA_CHAOS_FIRST={failed and failed[0]}"
    assert not season.problems, "\n".join([*(f"round {at}: {one}" for at, one in season.problems), one_again])
