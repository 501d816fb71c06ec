"""Records the decisions of real cases: `PRUNELLA_TEST_RECORD=FOLDER make faults` exports every incident."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from support.cases.run import CaseRun

from prunella_operator.config.settings import Settings
from prunella_operator.reporting.recorded_histories import of_incident, read_recorded
from prunella_operator.reporting.recorded_incident import RecordedIncident

_FOLDER = "PRUNELLA_TEST_RECORD"


def record_decisions(case_runs: Iterable[CaseRun], temporal_address: str) -> None:
    """Write `CASE-NUMBER.json` for each incident that has a workflow; nothing unless a folder is named."""
    if not (name := os.environ.get(_FOLDER)):
        return
    folder = Path(name)
    folder.mkdir(parents=True, exist_ok=True)
    for case_run in case_runs:
        for number, recorded in read_case(case_run, temporal_address):
            (folder / f"{case_run.case.name}-{number}.json").write_text(recorded.to_json(), encoding="utf-8")


def read_case(case_run: CaseRun, temporal_address: str) -> Iterator[tuple[int, RecordedIncident]]:
    """The incidents of a case that have a workflow, with their numbers."""
    settings = Settings.load({"temporal_address": temporal_address})
    for number, raw in enumerate(case_run.incidents(), start=1):
        for recorded in read_recorded(settings, of_incident(raw["metadata"]["uid"]))[-1:]:
            yield number, recorded
