"""The fault suite itself: distinct names, documented, and large enough for what it claims."""

import re
from fnmatch import fnmatch
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.audit import Write
from support.cases.run import Case, CaseRun
from support.cases.table import CASES, FAULTS, LARGER

DOCS = (Path(__file__).parents[3] / "docs" / "faults.md").read_text()
PAGE = DOCS.partition("## What is covered")[2].partition("## Results")[0]


def test_every_case_has_a_name_of_its_own():
    names = [case.name for module in LARGER for case in module.CASES]
    assert sorted(names) == sorted(set(names))


def test_the_page_lists_every_case_and_no_other():
    listed = set(re.findall(r"`([a-z0-9*-]+)`", PAGE))
    assert [name for name in FAULTS if not any(fnmatch(name, pattern) for pattern in listed)] == []
    assert [pattern for pattern in listed if not any(fnmatch(name, pattern) for name in CASES)] == []


def test_the_page_counts_the_cases():
    assert f"{len(FAULTS)} cases" in DOCS
    assert len(FAULTS) >= 220


def test_what_is_left_alone_has_no_writes():
    innocent = [case for case in CASES.values() if case.phase is None and not case.then]
    assert [case.name for case in innocent if case.writes or case.deletes or case.incidents] == []


def test_any_reason_may_be_right_but_the_phase_must():
    case = Case("a", "web", None, lambda _: None, phase="Healed", reason="")
    assert case.ends_as("Healed", "Stable")
    assert not case.ends_as("Escalated", "Stable")


ANNOTATIONS = "/metadata/annotations"
CAUSE = f"{ANNOTATIONS}/kubernetes.io~1change-cause"
TESTED = [{"op": "test", "path": f"/metadata/{name}", "value": "1"} for name in ("uid", "generation")]


@pytest.mark.parametrize(
    ("path", "value", "known"),
    [
        ("/spec/template", {}, True),
        (ANNOTATIONS, {}, True),
        (f"{ANNOTATIONS}/prunella.dev~1change-cause-before", "release 7", True),
        (CAUSE, "Prunella: restart", True),
        (CAUSE, "release 7", True),
        (CAUSE, "release 8", False),
        (f"{CAUSE}-2", "Prunella: restart", False),
        (f"{ANNOTATIONS}/team", "shop", False),
        ("/spec/replicas", 3, False),
    ],
)
def test_a_repair_writes_the_template_and_our_annotations_alone(path, value, known):
    run = CaseRun(
        Case("a", "web", None, lambda _: None, phase="Healed", reason=""), SimpleNamespace(api=None), *[None] * 3
    )
    run.broken = {"metadata": {"annotations": {"kubernetes.io/change-cause": "release 7"}}}
    request = [*TESTED, {"op": "add", "path": path, "value": value}]
    write = Write("patch", "apps/deployments", "shop", "web", 200, "user", "agent", "/", "", request)
    assert run._is_repair(write) is known
