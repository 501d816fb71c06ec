"""Run cases concurrently, each from the healthy workload to the end of its incident.

Only a few run at a time: with more, a kubelet on two cores delays its events and fails its probes. With built-in values
a case mostly waits, so that more can run.
"""

import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from support.api import Api, path_of, until
from support.cases.results import result
from support.cases.run import BUILT_IN, CASE_LABELS, CaseRun, Prunella

_AT_ONCE = 16 if BUILT_IN else 9
_GOOD_WITHIN = 240.0
_RETIRED_AFTER = 30.0
"""Seconds after its end in which a workload that serves again is still observed."""
_CROWD = {
    "apiVersion": "prunella.dev/v1alpha1",
    "kind": "ClusterHealingPolicy",
    "metadata": {"name": "prunella-tests"},
    "spec": {
        "namespaceSelector": {"matchLabels": CASE_LABELS},
        "budgets": {"concurrentPerCluster": 1000, "perHourPerCluster": 1000},
    },
}
"""Cluster budgets would otherwise stop most repairs: many workloads break within the same minutes."""


class CaseRunner:
    """Runs cases and keeps the outcome of each."""

    def __init__(self, case_runs: Iterable[CaseRun], prunella: Prunella, log_progress: Callable[[str], None]) -> None:
        self._prunella = prunella
        self.case_runs = {case_run.case.name: case_run for case_run in case_runs}
        self._log = log_progress
        self._began = time.monotonic()
        self._left = len(self.case_runs)
        self._retiring = ThreadPoolExecutor(1)
        self._retired: list[Future[None]] = []

    def play(self) -> None:
        """Run every case to its end. An error is kept with its run, for the tests of that case to raise."""
        case_runs = sorted(self.case_runs.values(), key=_longest_first)
        allow_crowd(case_runs[0].api)
        self._log_progress(f"{len(case_runs)} cases, {_AT_ONCE} at a time")
        with self._retiring, ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(self._perform, case_runs))
        for retired in self._retired:
            retired.result()
        self._log_progress("all are over")

    def _perform(self, case_run: CaseRun) -> None:
        try:
            run_case(case_run)
        except (Exception, pytest.fail.Exception) as error:  # noqa: BLE001 - raised by the first test of the case
            error.add_note(self._prunella.tail())
            case_run.error = error
        self._retired.append(self._retiring.submit(_retire, case_run, time.monotonic() + _RETIRED_AFTER))
        self._left -= 1
        self._log_progress(f"{_outcome(case_run)}, {self._left} to go")

    def clear(self) -> None:
        """Delete the namespaces without waiting."""
        for case_run in self.case_runs.values():
            case_run.api.delete(path_of(_CROWD))
            case_run.clear()

    def _log_progress(self, what: str) -> None:
        self._log(f"{what} ({time.monotonic() - self._began:.0f} s)")


def allow_crowd(api: Api) -> None:
    """Raise the budgets of the cluster for the namespaces of cases."""
    api.apply(_CROWD)


def _outcome(case_run: CaseRun) -> str:
    """One line of progress: the row of the table, or why the case could not be played."""
    if case_run.error is not None:
        return f"{case_run.case.name} could not be played: {str(case_run.error).partition(chr(10))[0]}"
    if case_run.cluster.audit is None:
        return f"{case_run.case.name} is over"
    _, *cells = result(case_run).cells
    return f"{case_run.case.name} is over: {' | '.join(cells)}"


def run_case(case_run: CaseRun) -> None:
    """Create it, wait until Prunella has recorded it as good, break it, run `then`, and wait for the end."""
    case = case_run.case
    case_run.prepare()
    if case.before:
        until(case_run.is_good, _GOOD_WITHIN, "Prunella knows the healthy template", every=1.0)
    case_run.break_it()
    if case.then:
        case.then(case_run)
    if case.phase:
        case_run.closed()


def _retire(case_run: CaseRun, at_monotonic: float) -> None:
    time.sleep(max(0.0, at_monotonic - time.monotonic()))
    case_run.retire()


def _longest_first(case_run: CaseRun) -> tuple[bool, bool, int]:
    return (not case_run.case.slow, case_run.case.then is None, -case_run.case.writes)
