"""Exactly one effect, whatever dies: processes are killed and paused at every stage of many incidents."""

from dataclasses import replace

import pytest
from chaos.processes import separate_processes, single_process

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(0)]


def run_chaos(environment, options, processes, rounds):
    """Run them, print the results, and assert that there are no problems."""
    if not rounds:
        pytest.skip("no round was asked for")
    before = len(environment.results.problems)
    environment.log_progress(
        f"chaos: {options}; rounds {rounds.start} to {rounds.stop - 1}; figures in {environment.folder}/results.md"
    )
    try:
        with environment.chaos_run(processes, options) as chaos_run:
            chaos_run.run_rounds(rounds, options.ends)
            environment.results.problems += [("end", namespace) for namespace in chaos_run.undeleted_namespaces()]
    finally:
        environment.results.save()
        results = environment.results
        environment.log_progress(f"{results.table()}\n{results.text()}\nchaos: results are in {environment.folder}")
    assert_no_problems(environment, before, options)


def assert_no_problems(environment, before, options):
    problems = environment.results.problems[before:]
    rounds = "play a round again with PRUNELLA_CHAOS_FIRST, and PRUNELLA_CHAOS_ROUNDS or PRUNELLA_CHAOS_WHOLE = 1"
    assert not problems, "\n".join([*(f"{name}: {problem}" for name, problem in problems), f"{options}: {rounds}"])


@pytest.mark.chaos
def test_exactly_one_effect_whatever_dies(environment, options):
    run_chaos(environment, options, separate_processes, range(options.first, options.first + options.rounds))


@pytest.mark.chaos
def test_exactly_one_effect_when_all_of_prunella_dies(environment, options):
    """`prunella run` with its own Temporal."""
    run_chaos(environment, options, single_process, range(options.first, options.first + options.single))


def test_exactly_one_effect_when_each_part_is_killed_once(environment, options):
    """The short round that is part of every test run."""
    before = len(environment.results.problems)
    try:
        with environment.chaos_run(separate_processes, replace(options, longest=3), short=True) as chaos_run:
            chaos_run.run_rounds(range(1))
            if len(environment.results.injected) < len(
                chaos_run.processes.targets
            ):  # a point that was not reached is dealt again
                chaos_run.run_rounds(range(1, 2))
            assert len(environment.results.injected) >= len(chaos_run.processes.targets), "not every part was killed"
    finally:
        environment.log_progress(environment.results.text())
    assert_no_problems(environment, before, options)
