"""The cases that can judge any healer: none of them needs Prunella."""

import types
from pathlib import Path

import pytest
from benchmark.judging import healable
from benchmark.selection import _REFUSED, SHORT, UnknownCase, chosen, suitable, why_not
from support.cases.case import Stage
from support.cases.run import CaseRun
from support.cases.table import CASES

DOCS = (Path(__file__).parents[3] / "docs" / "benchmark.md").read_text()
ONLY_WITH_PRUNELLA = {"earlier", "prunella", "controllerrevisions", "incident.yaml"} | (
    set(dir(CaseRun)) - set(dir(Stage))
)


def code_names(code):
    """All names in a function and the last words of its texts, those of its inner functions included."""
    inner = [code_names(const) for const in code.co_consts if isinstance(const, types.CodeType)]
    texts = [const.rpartition("/")[2] for const in code.co_consts if isinstance(const, str)]
    return set(code.co_names).union(texts, *inner)


def needs(function, seen):
    """The parts of a run with Prunella that a step uses, also through the functions of the suite that it calls."""
    if not isinstance(function, types.FunctionType) or function in seen:
        return set()
    seen.add(function)
    names, found = code_names(function.__code__), [function.__globals__.get(name) for name in function.__globals__]
    modules = [value for value in found if isinstance(value, types.ModuleType)]
    called = [function.__globals__[name] for name in names if name in function.__globals__]
    called += [getattr(module, name) for module in modules for name in names if hasattr(module, name)]
    called += [cell.cell_contents for cell in function.__closure__ or ()]
    ours = [value for value in called if getattr(value, "__module__", "").startswith("support.cases")]
    return (names & ONLY_WITH_PRUNELLA).union(*(needs(value, seen) for value in ours))


@pytest.mark.parametrize("case", suitable().values(), ids=lambda case: case.name)
def test_it_is_played_without_prunella(case):
    assert [needs(step, set()) for step in (case.before, case.breaks, case.then) if needs(step, set())] == []


def test_the_state_of_its_workload_can_be_judged():
    observed = [case for case in suitable().values() if case.before or healable(case)]
    assert {case.kind for case in observed} == {"Deployment", "StatefulSet", "DaemonSet"}


def test_those_that_need_prunella_are_recognized():
    assert needs(CASES["put-back"].then, set())


def test_most_cases_can_judge_any_healer():
    cases = suitable().values()
    wanted = sum(map(healable, cases))
    assert f"`all` ({len(cases)} cases" in DOCS
    assert f"{wanted} that can be healed and {len(cases) - wanted} others" in DOCS


def test_every_refused_case_exists_and_is_refused_once():
    names = [name for group in _REFUSED.values() for name in group]
    assert len(names) == len(set(names))
    assert set(names) <= set(CASES)
    assert [name for name in names if "policy of Prunella" in why_not(CASES[name])] == []


def test_the_short_set_has_both_sorts():
    cases = chosen(SHORT)
    assert len(cases) == 21
    assert sum(map(healable, cases)) == 12
    assert not any(case.slow for case in cases)


def test_cases_are_chosen_by_name_and_pattern():
    assert [case.name for case in chosen("gitops,stateful-o*")] == ["gitops", "stateful-oom"]


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [("nonsense", "no such case"), ("budget", "policy of Prunella"), ("put-back", "waits for Prunella's incident")],
)
def test_a_name_that_selects_nothing_is_an_error(wanted, reason):
    with pytest.raises(UnknownCase, match=f"{wanted}: .*{reason}"):
        chosen(f"gitops,{wanted}")
