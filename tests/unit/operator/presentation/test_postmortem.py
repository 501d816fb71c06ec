"""Post-mortems: every sentence rests on a field that has a value, and texts from a cluster add no markup."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from fakes.incidents import incident

from prunella_operator.incidents.client import parse
from prunella_operator.presentation.postmortem import postmortem, to_html, to_markdown

BEGIN = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>\n# heading [link](http://evil.example) `code`"


def at(seconds):
    return (BEGIN + timedelta(seconds=seconds)).isoformat()


RAISE = "SetMemory of Deployment/checkout (container app, from 64Mi, to 128Mi)"
ATTEMPT = {
    "number": 1,
    "actionId": "a-1",
    "action": "SetMemory",
    "target": "Deployment/checkout",
    "parameters": {"container": "app", "from": "64Mi", "to": "128Mi"},
    "startedAt": at(20),
    "writtenAt": at(21),
    "finishedAt": at(90),
    "verdict": "NotHealed",
    "message": "It was killed again.",
    "undone": True,
}
ESCALATED = parse(
    incident(
        phase="Escalated",
        reason="MemoryAtMaximum",
        message="Container app was OOM-killed.",
        fault="Container app was OOM-killed.",
        target="Deployment/checkout",
        rootCause="pod_oom_killed",
        confidence="95%",
        causedBy={"target": "Secret/token", "message": "it is gone"},
        evidence=[
            {"source": "Decided by", "message": "OOMKilled, exit code 137"},
            {"source": "Log a/app", "message": HOSTILE},
        ],
        guards=[
            {"name": "Mode", "held": False, "reason": "Passed"},
            {"name": "Cooldown", "held": True, "reason": "Cooling"},
        ],
        attempts=[ATTEMPT, {**ATTEMPT, "number": 2, "writtenAt": None, "verdict": None, "undone": False}],
        nextStep="Look at the heap.",
        times={"faultAt": at(0), "detectedAt": at(2), "diagnosedAt": at(12), "closedAt": at(120)},
        escalation={"reason": "MemoryAtMaximum", "message": "No repair is left.", "nextStep": "Raise memoryMax."},
    )
)
HEALED = parse(
    incident(phase="Healed", message="It helped.", times={"faultAt": at(0), "healedAt": at(150), "closedAt": at(150)})
)
OBSERVED = parse(incident(phase="DryRunDone", plan="Set the memory limit"))


def value_of(one, field):
    found = one.to_object()
    for name, index in re.findall(r"(\w+)|\[(\d+)\]", field):
        found = found[name] if name else found[int(index)]
    return found


@pytest.mark.parametrize("one", [ESCALATED, HEALED, OBSERVED], ids=lambda one: one.phase)
def test_every_sentence_rests_on_a_field_that_has_a_value(one):
    statements = [statement for section in postmortem(one) for statement in section.statements]
    assert len(statements) >= 3
    assert all(value_of(one, statement.field) for statement in statements)
    assert all(statement.text.strip() for statement in statements)


def test_the_whole_story():
    text = to_markdown(ESCALATED)
    for line in (
        "# Post-mortem of shop/checkout-1",
        "- The root cause is pod\\_oom\\_killed. (`status.rootCause`)",
        "- Deployment/checkout in namespace shop failed. (`status.target`)",
        "- 2026-11-24 11:00:00Z: The fault occurred. (`status.times.faultAt`)",
        "- 2026-11-24 11:00:21Z: Attempt 1 was written. (`status.attempts[0].writtenAt`)",
        "- Secret/token is to blame: it is gone (`status.causedBy`)",
        "- Decided by: OOMKilled, exit code 137 (`status.evidence[0]`)",
        f"- {RAISE}: NotHealed: It was killed again. It was undone. (`status.attempts[0]`)",
        f"- {RAISE}: it has no verdict. (`status.attempts[1]`)",
        "- Cooldown blocked a repair: Cooling (`status.guards[1]`)",
        "- Raise memoryMax. (`status.escalation.nextStep`)",
        "- Look at the heap. (`status.nextStep`)",
    ):
        assert line in text.splitlines()
    assert "It lasted 2m30s, until the workload was healthy again. (`status.times.healedAt`)" in to_markdown(HEALED)
    assert "The plan was not carried out: Set the memory limit. (`status.plan`)" in to_markdown(OBSERVED)


def test_what_has_not_happened_is_not_mentioned():
    assert [section.title for section in postmortem(HEALED)] == ["Summary", "Impact", "Timeline"]


def test_texts_from_a_cluster_add_no_markup():
    text = to_markdown(ESCALATED)
    assert "\\<script\\>alert(1)\\</script\\> \\# heading \\[link\\](http://evil.example) \\`code\\`" in text
    assert [line for line in text.splitlines() if line.startswith("# ")] == ["# Post-mortem of shop/checkout-1"]
    page = to_html(ESCALATED)
    assert page.startswith("<!doctype html>")
    assert "<script" not in page
    assert page.count("<li>") == text.count("\n- ")
