"""Plays the cases of the shadow score, and judges the observed ones as the operator does, with shorter times."""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from threading import Event

from support.api import Object, until
from support.cases.run import CaseRun
from support.cases.runner import allow_crowd, run_case
from support.cases.watched import WatchedCase
from support.cluster import Cluster
from support.prunella import SeparateProcesses

from prunella_operator.aftermath.plans import PlanReader
from prunella_operator.aftermath.recorder import AftermathRecorder
from prunella_operator.config.settings import Settings
from prunella_operator.kubernetes.access import load_access
from prunella_operator.kubernetes.async_client import AsyncClient
from prunella_operator.kubernetes.track_records import WatchedTrackRecords
from prunella_operator.temporal.client import connect
from prunella_workflows.model.aftermath import AftermathOutcome

HOLD = timedelta(seconds=75)
"""Instead of 30 minutes."""
WELL = timedelta(seconds=25)
"""Instead of 10 minutes."""
HORIZON = timedelta(minutes=6)
"""Instead of 24 hours."""
_SWEEP_SECONDS = 8.0
"""Instead of five minutes."""
_PEOPLE_NEED_SECONDS = 3.0
"""The cluster records the times of changes in whole seconds; no one is there in the second of the diagnosis."""
_AT_ONCE = 9
_JUDGED_WITHIN = HORIZON.total_seconds() + 120
_HEAD = ("case", "must be", "found", "the plan's twin in mode Heal", "what was found in words")


@dataclass(frozen=True)
class Judged:
    """A case that was played: the outcome that was found, its words, and the end of the twin."""

    case: WatchedCase
    found: str
    message: str
    twin: str

    @property
    def right(self) -> bool:
        """Report whether the outcome is the right one."""
        return self.found == self.case.outcome

    @property
    def claims_falsely(self) -> bool:
        """Report whether a heal is claimed that Prunella's own repair did not achieve."""
        return self.found == AftermathOutcome.SAME_CHANGE and not self.twin.startswith("Healed")

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        found = self.found if self.right else f"**{self.found}**"
        twin = f"**{self.twin}**" if self.claims_falsely else self.twin
        return (self.case.name, self.case.outcome.value, found, twin, self.message)


class WatchingRun:
    """All cases on one cluster, each with its twin."""

    def __init__(
        self,
        cases: Iterable[WatchedCase],
        cluster: Cluster,
        prunella: SeparateProcesses,
        users: tuple[str, ...],
        log_progress: Callable[[str], None],
    ) -> None:
        run = secrets.token_hex(2)
        self._cluster, self._prunella, self._log = cluster, prunella, log_progress
        self._pairs = [
            (
                case,
                CaseRun(case.observed, cluster, prunella, users, f"watched-{case.name}-{run}"),
                CaseRun(case.twin, cluster, prunella, users, f"twin-{case.name}-{run}"),
            )
            for case in cases
        ]

    def play(self) -> list[Judged]:
        """Play everything while a recorder looks at the observed workloads."""
        allow_crowd(self._cluster.api)
        over, spaces = Event(), tuple(observed.namespace for _, observed, _ in self._pairs)
        with ThreadPoolExecutor(_AT_ONCE + 1) as pool:
            recording = pool.submit(lambda: asyncio.run(self._record(spaces, over)))
            try:
                judged = list(pool.map(self._play, *zip(*self._pairs, strict=True)))
            finally:
                over.set()
        recording.result()
        return judged

    def clear(self) -> None:
        """Delete the namespaces without waiting."""
        for _, observed, twin in self._pairs:
            observed.clear()
            twin.clear()

    def _play(self, case: WatchedCase, observed: CaseRun, twin: CaseRun) -> Judged:
        run_case(observed)
        time.sleep(_PEOPLE_NEED_SECONDS)
        case.people(observed)
        run_case(twin)
        found = until(lambda: _aftermath(observed), _JUDGED_WITHIN, f"{case.name} is judged", every=2.0)
        judged = Judged(case, found["outcome"], found["message"], _end(twin))
        self._log(" | ".join(judged.cells))
        return judged

    async def _record(self, spaces: Sequence[str], over: Event) -> None:
        """Do what the operator's leader does, more often."""
        access = load_access(str(self._cluster.kubeconfig), self._cluster.context)
        client = await connect(Settings.load({"temporal_address": self._prunella.settings["temporal_address"]}))
        async with AsyncClient(access) as rest:
            recorder = AftermathRecorder(rest, PlanReader(client), HORIZON, WatchedTrackRecords(rest), spaces)
            while not over.is_set():
                await recorder.sweep()
                await asyncio.sleep(_SWEEP_SECONDS)


def _aftermath(run: CaseRun) -> Object | None:
    """The aftermath of the first incident: a later one is about what followed."""
    incident = run.subject() or {}
    found: Object | None = (incident.get("status") or {}).get("aftermath")
    return found


def _end(run: CaseRun) -> str:
    status = (run.subject() or {}).get("status") or {}
    return f"{status.get('phase')}: {status.get('reason')}"


def table(judged: Iterable[Judged]) -> str:
    """The classification as a Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in _lines(judged)) + "\n"


def _lines(judged: Iterable[Judged]) -> Iterator[tuple[str, ...]]:
    yield _HEAD
    yield tuple("---" for _ in _HEAD)
    yield from (row.cells for row in judged)
