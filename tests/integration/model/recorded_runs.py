"""Recorded runs as events of the model: a workflow's history, and the writes in the API server's audit log."""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from integration.model.spin import MODEL, verify

from prunella_workflows.contracts.healing import UNDO_SUFFIX

Json = dict[str, Any]
_ORDERS = {"repair": "ORDER", "undo": "ORDER_UNDO"}
_FAILURES = {"Held": "RETURNED_HELD", "ChangedSince": "RETURNED_STALE"}
_VERDICTS = {"Healed": "JUDGED_HEALED", "NotHealed": "JUDGED_NOT_HEALED", "Inconclusive": "JUDGED_INCONCLUSIVE"}
_ENDS = {"Healed", "Recovered", "Escalated", "Cancelled"}
_BOUNDS = {"ATTEMPTS": 3, "REPLANS": 5, "WAITS": 5, "CRASHES": 1, "STALLS": 1, "LOSSES": 1}


class Moment(NamedTuple):
    """An event of the model and when it happened."""

    at: datetime
    event: str


@dataclass(frozen=True)
class Run:
    """The events of one incident, in order. Without an audit log it is not known when something was written."""

    events: tuple[str, ...]
    writes_recorded: bool = False


def run_of(history: Json, writes: Iterable[tuple[str, str]] | None = None) -> Run:
    """The run of one incident: its workflow's history (as JSON), and the time and action id of each write."""
    moments = [*_workflow(history), *_written(writes or ())]
    return Run(tuple(moment.event for moment in sorted(moments, key=lambda moment: moment.at)), writes is not None)


def accepted(folder: Path, runs: list[Run]) -> set[int]:
    """The runs, by their place in the list, that the model can do from beginning to end."""
    (folder / "recorded.pml").write_text(_promela(runs))
    defines = ["RECORDED", *(f"{name}={value}" for name, value in _BOUNDS.items())]
    found = verify(folder, MODEL.read_text(), defines=defines, options=["-E"])
    assert (found.complete, found.errors) == (True, 0), found.output
    return {int(line.split()[1]) for line in found.output.splitlines() if line.startswith("accepted ")}


def _written(writes: Iterable[tuple[str, str]]) -> Iterator[Moment]:
    for at, action_id in writes:
        yield Moment(datetime.fromisoformat(at), "WROTE_UNDO" if action_id.endswith(UNDO_SUFFIX) else "WROTE")


class _Workflow:
    """Reads a workflow's history, event by event."""

    def __init__(self) -> None:
        self._calls: dict[str, str] = {}
        self._ordered: set[str] = set()
        self._unanswered: list[str] = []

    def read(self, kind: str, event_id: str, details: Json) -> Iterable[str]:
        """The events of the model in one of the history: mostly none."""
        if kind == "EVENT_TYPE_ACTIVITY_TASK_SCHEDULED":
            name = self._calls[event_id] = details["activityType"]["name"]
            return self._scheduled(name, _payload(details["input"]))
        if kind == "EVENT_TYPE_ACTIVITY_TASK_COMPLETED":
            return _returned(self._calls[details["scheduledEventId"]], details)
        if kind in {"EVENT_TYPE_ACTIVITY_TASK_FAILED", "EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT"}:
            return self._failed(self._calls[details["scheduledEventId"]], details["failure"])
        return ()

    def _scheduled(self, name: str, request: Json) -> Iterable[str]:
        """A first order, or the end. An order that is repeated had no answer, and is the same one to the model."""
        unanswered, self._unanswered = self._unanswered, []
        if name == "close":
            return [*unanswered, _end(request["status"]["phase"])]
        if name not in _ORDERS or request["actionId"] in self._ordered:
            return ()
        self._ordered.add(request["actionId"])
        return [*unanswered, _ORDERS[name]]

    def _failed(self, name: str, failure: Json) -> Iterable[str]:
        """The refusal of an order. One without an answer counts when the order is not repeated."""
        event = _failure(name, failure) if name in _ORDERS else ""
        if event == "RETURNED_UNKNOWN":
            self._unanswered = [event]
            return ()
        return [event] if event else ()


def _workflow(history: Json) -> Iterator[Moment]:
    reader = _Workflow()
    for item in history["events"]:
        at = datetime.fromisoformat(item["eventTime"])
        yield from (Moment(at, event) for event in reader.read(item["eventType"], item["eventId"], _details(item)))


def _returned(name: str, details: Json) -> Iterator[str]:
    """The event of an activity that was completed."""
    if name in _ORDERS:
        yield "RETURNED_APPLIED"
    elif name == "verify" and (verdict := _payload(details["result"])["verdict"]):
        yield _VERDICTS[verdict]


def _failure(name: str, failure: Json) -> str:
    """Why an order failed. An undo has no guards: whatever stops it for good, the object is not as it was left."""
    error = failure.get("applicationFailureInfo") or {}
    if not error.get("nonRetryable"):
        return "RETURNED_UNKNOWN"
    return "RETURNED_STALE" if name == "undo" else _FAILURES.get(error["type"], "RETURNED_REFUSED")


def _end(phase: str) -> str:
    return f"END_{phase.upper() if phase in _ENDS else 'CLOSED'}"


def _details(item: Json) -> Json:
    return next((value for key, value in item.items() if key.endswith("EventAttributes")), {})


def _payload(payloads: Json) -> Json:
    return json.loads(base64.b64decode(payloads["payloads"][0]["data"]))


def _promela(runs: list[Run]) -> str:
    """The array of all events, with one that never happens after each run, and the choice of a run."""
    events, choices = list[str](), list[str]()
    for number, run in enumerate(runs):
        writes = "true" if run.writes_recorded else "false"
        choices.append(f"  :: run_number = {number}; position = {len(events)}; writes_recorded = {writes}")
        events += [*run.events, "NEVER"]
    array = f"mtype:Event events[{len(events)}] = {{ {', '.join(events)} }};"
    return "\n".join([array, "inline choose_run() {", "  if", *choices, "  fi", "}", ""])
