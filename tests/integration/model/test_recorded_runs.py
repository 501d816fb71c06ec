"""The model can do what was recorded, and cannot do what must never happen."""

import json

import pytest
from integration.model.recorded_runs import Run, accepted, run_of
from workflow.record_histories import HISTORIES

pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

HEALINGS = sorted((HISTORIES / "healings").glob("*.json"))
FIRST = ("ORDER", "WROTE", "RETURNED_APPLIED")
UNDONE = (*FIRST, "JUDGED_NOT_HEALED", "ORDER_UNDO", "WROTE_UNDO", "RETURNED_APPLIED")
POSSIBLE = {
    "healed": (*FIRST, "JUDGED_HEALED", "END_HEALED"),
    "the second attempt helps": (*UNDONE, *FIRST, "JUDGED_HEALED", "END_HEALED"),
    "the write comes after all, and people know that it may": ("ORDER", "RETURNED_UNKNOWN", "END_ESCALATED", "WROTE"),
    "the owner corrects it before the undo": (
        *FIRST, "JUDGED_NOT_HEALED", "ORDER_UNDO", "RETURNED_STALE", "END_ESCALATED",
    ),
    "cancelled": (*FIRST, "ORDER_UNDO", "WROTE_UNDO", "RETURNED_APPLIED", "END_CANCELLED"),
}  # fmt: skip
IMPOSSIBLE = {
    "written twice": ("ORDER", "WROTE", "WROTE", "RETURNED_APPLIED", "JUDGED_HEALED", "END_HEALED"),
    "written without an order": (*FIRST, "JUDGED_HEALED", "WROTE", "END_HEALED"),
    "undone twice": (*UNDONE, "WROTE_UNDO", "END_ESCALATED"),
    "applied without a write": ("ORDER", "RETURNED_APPLIED", "JUDGED_HEALED", "END_HEALED"),
    "cancelled, and the repair stays": (*FIRST, "END_CANCELLED"),
    "not healed, and the repair stays": (*FIRST, "JUDGED_NOT_HEALED", "END_ESCALATED"),
    "recovered by a repair": (*FIRST, "END_RECOVERED"),
    "undone without a write": (*FIRST, "JUDGED_NOT_HEALED", "ORDER_UNDO", "RETURNED_APPLIED", "END_ESCALATED"),
}


def test_recorded_histories_and_no_others(tmp_path):
    histories = [run_of(json.loads(path.read_text())) for path in HEALINGS]
    possible = [Run(events, writes_recorded=True) for events in POSSIBLE.values()]
    impossible = [Run(events, writes_recorded=True) for events in IMPOSSIBLE.values()]
    names = [*(path.stem for path in HEALINGS), *POSSIBLE, *IMPOSSIBLE]
    found = accepted(tmp_path, [*histories, *possible, *impossible])
    assert {names[number] for number in found} == {*names} - {*IMPOSSIBLE}


def test_writes_of_an_audit_log_are_sorted_into_the_history():
    history = json.loads((HISTORIES / "healings" / "healed.json").read_text())
    ordered = next(item for item in history["events"] if _schedules(item, "repair"))
    run = run_of(history, [(ordered["eventTime"], "uid-incident-0123abcd-1")])
    assert run == Run((*FIRST, "JUDGED_HEALED", "END_HEALED"), writes_recorded=True)


def _schedules(item, name):
    return item.get("activityTaskScheduledEventAttributes", {}).get("activityType", {}).get("name") == name
